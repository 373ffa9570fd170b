"""`bookwell prove --events`: whether every fact leaves, once or again but never not, in order."""
