"""What each change leaves in the journal, and where the changed thing itself is kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaves:
    """What an operation leaves: the audited change, of what, and the event, if others hear of it."""

    audited: str
    entity_type: str
    event: str | None = None
    # The row of the thing itself is deleted.
    is_gone: bool = False
    # The row of the thing itself stays as it was: something is done with it.
    is_left_alone: bool = False
    # Another thing that it changes, with an audit row and an event of that thing's own.
    also: str | None = None


JOURNAL = {
    "book_visit": Leaves("visit.created", "visit", "booking.visit.created.v1"),
    "hold_slot": Leaves("visit.held", "visit", "booking.visit.held.v1"),
    "confirm_visit": Leaves("visit.confirmed", "visit", "booking.visit.created.v1"),
    "cancel_visit": Leaves("visit.cancelled", "visit", "booking.visit.cancelled.v1"),
    "reschedule_visit": Leaves("visit.rescheduled", "visit", "booking.visit.rescheduled.v1"),
    "check_in_visit": Leaves("visit.checked_in", "visit", "booking.visit.checked_in.v1"),
    "complete_visit": Leaves("visit.completed", "visit", "booking.visit.completed.v1"),
    "mark_no_show": Leaves("visit.no_show", "visit", "booking.visit.no_show.v1"),
    "create_slot": Leaves("slot.created", "slot", "booking.slot.created.v1"),
    "create_slots": Leaves("slot.created", "slot", "booking.slot.created.v1"),
    "delete_slot": Leaves("slot.deleted", "slot", "booking.slot.deleted.v1"),
    "add_schedule": Leaves("schedule.created", "schedule", "booking.schedule.created.v1"),
    "change_schedule": Leaves("schedule.changed", "schedule", "booking.schedule.changed.v1"),
    "delete_schedule": Leaves(
        "schedule.deleted", "schedule", "booking.schedule.deleted.v1", is_gone=True
    ),
    "add_time_off": Leaves("time_off.added", "time_off", "booking.time_off.added.v1"),
    "remove_time_off": Leaves(
        "time_off.removed", "time_off", "booking.time_off.removed.v1", is_gone=True
    ),
    "add_visit_type": Leaves("visit_type.created", "visit_type"),
    "change_visit_type": Leaves("visit_type.changed", "visit_type"),
    "retire_visit_type": Leaves("visit_type.retired", "visit_type"),
    "set_visit_type_override": Leaves("visit_type_override.set", "visit_type_override"),
    "remove_visit_type_override": Leaves(
        "visit_type_override.removed", "visit_type_override", is_gone=True
    ),
    "add_licence": Leaves("licence.created", "licence"),
    "change_licence": Leaves("licence.changed", "licence"),
    "delete_licence": Leaves("licence.deleted", "licence", is_gone=True),
    "set_patient_regions": Leaves("patient_regions.set", "patient_region"),
    "set_reminder_rule": Leaves("reminder_rule.set", "reminder_rule"),
    "delete_reminder_rule": Leaves("reminder_rule.deleted", "reminder_rule", is_gone=True),
    "set_quiet_hours": Leaves("quiet_hours.set", "quiet_hours"),
    "set_patient_time_zone": Leaves("patient.time_zone_set", "patient"),
    "open_disruption": Leaves("disruption.opened", "disruption"),
    "choose_for_visit": Leaves("disruption.chosen", "disruption"),
    "commit_disruption": Leaves(
        "disruption.committed",
        "disruption",
        "booking.disruption.committed.v1",
        also="time_off",
    ),
    "abandon_disruption": Leaves("disruption.abandoned", "disruption"),
    "create_calendar_feed": Leaves("calendar_feed.created", "calendar_feed"),
    "rotate_calendar_feed": Leaves("calendar_feed.rotated", "calendar_feed"),
    "revoke_calendar_feed": Leaves("calendar_feed.revoked", "calendar_feed"),
    "add_webhook_endpoint": Leaves("webhook_endpoint.created", "webhook_endpoint"),
    "change_webhook_endpoint": Leaves("webhook_endpoint.changed", "webhook_endpoint"),
    "delete_webhook_endpoint": Leaves("webhook_endpoint.deleted", "webhook_endpoint"),
    "rotate_webhook_secret": Leaves("webhook_endpoint.secret_rotated", "webhook_endpoint"),
    "replay_events": Leaves("webhook_endpoint.replayed", "webhook_endpoint", is_left_alone=True),
    "test_webhook_endpoint": Leaves(
        "webhook_endpoint.tested", "webhook_endpoint", is_left_alone=True
    ),
    "add_office_hour": Leaves("office_hour.created", "office_hour"),
    "book_seat": Leaves(
        "office_hour_booking.created",
        "office_hour_booking",
        "booking.office_hour_booking.created.v1",
    ),
    "cancel_booking": Leaves(
        "office_hour_booking.cancelled",
        "office_hour_booking",
        "booking.office_hour_booking.cancelled.v1",
    ),
    "add_brand": Leaves("brand.created", "brand"),
    "add_provider": Leaves("provider.created", "provider"),
    "add_patient": Leaves("patient.created", "patient"),
    "link_patient": Leaves("patient.linked", "patient"),
    "create_token": Leaves("token.created", "token"),
    "revoke_token": Leaves("token.revoked", "token"),
}
# Where the changed thing itself is kept.
TABLES = {
    "visit": ("visit", "visit_id"),
    "slot": ("slot", "slot_id"),
    "visit_type": ("visit_type", "visit_type"),
    "visit_type_override": ("visit_type_override", "visit_type"),
    "licence": ("licence", "licence_id"),
    "schedule": ("schedule", "schedule_id"),
    "time_off": ("time_off", "time_off_id"),
    "disruption": ("disruption", "disruption_id"),
    "patient_region": ("patient_region", "patient_id"),
    "reminder_rule": ("reminder_rule", "rule_id"),
    "quiet_hours": ("quiet_hours", "brand_id"),
    "calendar_feed": ("calendar_feed", "feed_id"),
    "webhook_endpoint": ("webhook_endpoint", "endpoint_id"),
    "office_hour": ("office_hour", "office_hour_id"),
    "office_hour_booking": ("office_hour_booking", "booking_id"),
    "brand": ("brand", "brand_id"),
    "provider": ("provider", "provider_id"),
    "patient": ("patient", "patient_id"),
    "token": ("token", "token_id"),
}
