-- When patients are reminded of their visits, and what became of each reminder.
-- Sources: docs/decisions/0033-reminders.md.

SET LOCAL lock_timeout = '5s';

-- What a wall clock shows where the patient is; null where nobody said.
ALTER TABLE booking.patient ADD COLUMN time_zone text COLLATE "C";

-- Which zones a brand's patients are in is asked every few seconds.
CREATE INDEX patient_by_time_zone ON booking.patient (brand_id, time_zone)
    WHERE time_zone IS NOT NULL;

-- The reminders of a visit type, or (null) of all types that have none of their own. An empty list
-- is none at all.
CREATE TABLE booking.reminder_rule (
    rule_id     text COLLATE "C" NOT NULL,
    brand_id    text COLLATE "C" NOT NULL,
    visit_type  text COLLATE "C",
    reminders   jsonb NOT NULL,
    -- What was due before then is not made up for.
    holds_since timestamptz NOT NULL DEFAULT booking.now(),
    created_at  timestamptz NOT NULL DEFAULT booking.now(),
    updated_at  timestamptz NOT NULL DEFAULT booking.now(),
    version     integer NOT NULL DEFAULT 1,
    CONSTRAINT reminder_rule_id_once PRIMARY KEY (rule_id),
    CONSTRAINT reminder_rule_once UNIQUE NULLS NOT DISTINCT (brand_id, visit_type),
    CONSTRAINT reminder_rule_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand
);

-- Wall times of each patient's own zone. Where they are off, a brand has a row all the same once
-- somebody set them.
CREATE TABLE booking.quiet_hours (
    brand_id    text COLLATE "C" NOT NULL,
    wall_from   time NOT NULL,
    wall_until  time NOT NULL,
    is_on       boolean NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT booking.now(),
    version     integer NOT NULL,
    CONSTRAINT quiet_hours_once PRIMARY KEY (brand_id),
    CONSTRAINT quiet_hours_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT quiet_hours_end_elsewhere CHECK (wall_from <> wall_until)
);

-- When a brand's visits were last looked at, by the machine's own clock, because workers take turns;
-- and when all of them were looked through, and not only those whose reminder has just come due.
CREATE TABLE booking.reminder_look (
    brand_id           text COLLATE "C" NOT NULL,
    looked_at          timestamptz NOT NULL DEFAULT '-infinity',
    looked_through_at  timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT reminder_look_once PRIMARY KEY (brand_id),
    CONSTRAINT reminder_look_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand
);

-- What became of a reminder: the referee of "once for each visit, start and offset".
CREATE TABLE booking.reminder (
    brand_id        text COLLATE "C" NOT NULL,
    visit_id        text COLLATE "C" NOT NULL,
    starts_at       timestamptz NOT NULL,
    offset_minutes  integer NOT NULL,
    due_at          timestamptz NOT NULL,
    channel         text COLLATE "C" NOT NULL,
    template_key    text COLLATE "C" NOT NULL,
    -- Null where it was sent.
    skipped_because text COLLATE "C",
    settled_at      timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT reminder_once PRIMARY KEY (visit_id, starts_at, offset_minutes),
    CONSTRAINT reminder_of_a_visit FOREIGN KEY (visit_id) REFERENCES booking.visit,
    CONSTRAINT reminder_offset_is_sane CHECK (offset_minutes BETWEEN 1 AND 43200)
);

-- What goes because its start is long past.
CREATE INDEX reminder_by_age ON booking.reminder (brand_id, starts_at);

-- A reminder on its way to the platform's message service. Leases and waits are by the machine's own
-- clock, because the other side has no other.
CREATE TABLE booking.message (
    brand_id         text COLLATE "C" NOT NULL,
    visit_id         text COLLATE "C" NOT NULL,
    starts_at        timestamptz NOT NULL,
    offset_minutes   integer NOT NULL,
    status           text COLLATE "C" NOT NULL DEFAULT 'waiting',
    -- Why it waits, was dropped or failed: a code, and never what the other side wrote.
    cause            text COLLATE "C",
    attempts         integer NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    leased_until     timestamptz,
    settled_at       timestamptz,
    CONSTRAINT message_once PRIMARY KEY (visit_id, starts_at, offset_minutes),
    CONSTRAINT message_of_a_reminder FOREIGN KEY (visit_id, starts_at, offset_minutes)
        REFERENCES booking.reminder,
    CONSTRAINT message_status_is_known
        CHECK (status IN ('waiting', 'sent', 'dropped', 'failed')),
    CONSTRAINT message_settled_iff_dated CHECK ((status = 'waiting') = (settled_at IS NULL))
);

CREATE INDEX message_due ON booking.message (next_attempt_at) WHERE status = 'waiting';
