"""The demo's world: two brands, their people, and weeks of time to book."""
