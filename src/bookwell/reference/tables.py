"""What each table of the schema `booking` is for; the page is not made without it."""

TABLES = {
    "affiliation": "A provider works for a brand, under the name the brand knows them by.",
    "audit": (
        "One row for every change of state: who, what, when, for which request. "
        "PostgreSQL refuses to change or delete one."
    ),
    "brand": "A brand of the platform.",
    "bus_bookmark": "Up to which event a brand's log has been published on the message bus.",
    "calendar_feed": (
        "A private address under which somebody's calendar is read. The address is not here, only "
        "its SHA-256, and of a revoked one nothing."
    ),
    "delivery": (
        "One event on its way to one webhook endpoint. A test has no position; a replay is a new "
        "row. What waited when its endpoint was deleted is `abandoned`."
    ),
    "delivery_attempt": (
        "Each try of a delivery: when, how long, and what came of it. Never what a receiver wrote."
    ),
    "delivery_count": "Attempts of each endpoint by what came of them, for the metrics.",
    "derivation": (
        "How far a provider's slots for a brand are made out of their schedules, with which time "
        "zone data, and when to look again."
    ),
    "disruption": "A provider is out of a brand: drafted, and then committed or abandoned.",
    "disruption_choice": (
        "What staff know of an affected visit, chose for it, and what came of it. `cancel_reason` "
        "is health information, and is here only until the disruption is committed or abandoned."
    ),
    "event": (
        "The outbox: what other systems may know, in the order of each thing's changes. It gets "
        "its `position` in the brand's log once it is committed."
    ),
    "event_day": "Where in a brand's log the events of a day (UTC) are, and how many came.",
    "event_log": "How far a brand's log goes, and from which event on it is kept.",
    "idempotency": (
        "What a caller's idempotency key led to: `done` and the answer, or a refusal; `under_way` "
        "while a webhook endpoint is tested. "
        "The answer holds what the caller was told, so it may hold health information."
    ),
    "licence": "A provider may see a brand's patients who are in one region, between two days.",
    "message": ("A reminder on its way to the platform's message service, and what came of it."),
    "office_hour": "A coach's weekly rule, in wall time of its zone.",
    "office_hour_booking": "A patient's seat in a session. `notes` is health information.",
    "office_hour_session": "A session in which somebody sits or sat, and how many.",
    "patient": (
        "A patient of one brand; `subject` is the `sub` of their own tokens, `time_zone` what the "
        "clock on their wall shows."
    ),
    "patient_region": "Where a patient is, and from when to when: at one place at a time.",
    "provider": "A person who offers time, clinician or coach, in whatever number of brands.",
    "quiet_hours": "When a brand's patients are sent nothing, by the clock on each one's wall.",
    "rate_window": "Calls of each caller in a minute, summed over all workers. A crash empties it.",
    "reminder": "What became of a reminder of a visit: sent, or skipped and why. Each there once.",
    "reminder_look": "When a brand's visits were last looked through for reminders.",
    "reminder_rule": (
        "When patients are reminded of visits of a type, or (null) of all types without a rule of "
        "their own."
    ),
    "schedule": "A provider's week for a brand as it was said. `rules` are wall times of its zone.",
    "slot": (
        "A time a clinician offers for a brand: posted by hand, or by a rule of a schedule. A "
        "deleted one stays, for the visits it had."
    ),
    "terms": (
        "The terms of visits, each once for a brand. PostgreSQL refuses to change or delete any: a "
        "visit keeps those it was booked under."
    ),
    "time_off": "When a provider is away from a brand: as it was said, and the instants it means.",
    "token": "A token that this service issued. The token itself is not here, only its SHA-256.",
    "visit": (
        "A patient with a provider at a time. `reason`, `notes` and `cancel_reason` are health "
        "information."
    ),
    "visit_type": "A kind of visit that a brand has, and its terms of today. A retired one stays.",
    "visit_type_override": (
        "What differs in a visit type for a provider: `fields` as it was said, and the terms that "
        "it comes to with the brand's."
    ),
    "webhook_endpoint": (
        "Where a brand's events are sent, and with which secret they are signed. A deleted one "
        "stays without its secrets, for the deliveries it had."
    ),
}
