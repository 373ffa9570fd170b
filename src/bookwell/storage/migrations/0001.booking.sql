-- The ground: catalogue, slots, visits, office hours, and the journal of what happened.
-- Sources: CONTRACT.md section 2 (decisions 5, 10, 12, 13, 16), docs/decisions/0004-referee.md.

SET LOCAL lock_timeout = '5s';

CREATE SCHEMA IF NOT EXISTS booking;

-- The one clock. A test or a sandbox shifts it with booking.shift_clock.
CREATE FUNCTION booking.now() RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT pg_catalog.now() $$;

-- The function is rewritten instead of reading a setting, so that an unshifted clock costs nothing
-- and a shift reaches every open connection at once.
CREATE PROCEDURE booking.shift_clock(shift interval)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION booking.now() RETURNS timestamptz'
        ' LANGUAGE sql STABLE PARALLEL SAFE'
        ' AS %L', format('SELECT pg_catalog.now() + interval %L', shift));
END
$$;

-- An instant as the API writes it (RFC 3339, UTC, Z), for what is kept as JSON.
CREATE FUNCTION booking.rfc3339(instant timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT to_char(instant AT TIME ZONE 'UTC',
               CASE WHEN date_trunc('second', instant) = instant
                    THEN 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                    ELSE 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' END)
$$;

---------------------------------------------------------------------------------- catalogue

CREATE TABLE booking.brand (
    brand_id    text COLLATE "C" NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT brand_id_once PRIMARY KEY (brand_id),
    CONSTRAINT brand_id_is_a_slug CHECK (brand_id ~ '^[a-z0-9](-?[a-z0-9])*$' AND length(brand_id) <= 64)
);

-- A provider is one person, whatever the number of brands; brand_id is the brand that brought them.
CREATE TABLE booking.provider (
    provider_no  bigint GENERATED ALWAYS AS IDENTITY,
    provider_id  text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT provider_no_once PRIMARY KEY (provider_no),
    CONSTRAINT provider_id_once UNIQUE (provider_id),
    CONSTRAINT provider_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT provider_kind_is_known CHECK (kind IN ('clinician', 'coach'))
);

CREATE TABLE booking.affiliation (
    brand_id     text COLLATE "C" NOT NULL,
    provider_no  bigint NOT NULL,
    name         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT affiliation_once PRIMARY KEY (provider_no, brand_id),
    CONSTRAINT affiliation_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT affiliation_provider_exists FOREIGN KEY (provider_no) REFERENCES booking.provider
);

CREATE INDEX affiliation_by_brand ON booking.affiliation (brand_id, provider_no);

-- subject is the `sub` of the patient's own tokens; without one, only staff act for the patient.
CREATE TABLE booking.patient (
    brand_id    text COLLATE "C" NOT NULL,
    patient_id  text COLLATE "C" NOT NULL,
    subject     text COLLATE "C",
    created_at  timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT patient_id_once PRIMARY KEY (brand_id, patient_id),
    CONSTRAINT patient_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT patient_subject_once UNIQUE (subject, brand_id)
);

-------------------------------------------------------------------------------------- slots

-- Deleted slots stay, because visits of the past point at them.
CREATE TABLE booking.slot (
    slot_id      text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    provider_no  bigint NOT NULL,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    deleted_at   timestamptz,
    CONSTRAINT slot_id_once PRIMARY KEY (slot_id),
    CONSTRAINT slot_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT slot_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT slot_lasts_a_day_at_most CHECK (ends_at <= starts_at + interval '24 hours')
);

CREATE INDEX slot_by_provider ON booking.slot (provider_no, brand_id, starts_at, slot_id)
    WHERE deleted_at IS NULL;

------------------------------------------------------------------------------------- visits

-- starts_at, ends_at and provider_no repeat the slot's, because the referee below needs them here.
CREATE TABLE booking.visit (
    visit_id       text COLLATE "C" NOT NULL,
    brand_id       text COLLATE "C" NOT NULL,
    patient_id     text COLLATE "C" NOT NULL,
    provider_no    bigint NOT NULL,
    slot_id        text COLLATE "C" NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    status         text COLLATE "C" NOT NULL,
    visit_type     text NOT NULL,
    reason         text,
    notes          text,
    cancelled_at   timestamptz,
    cancel_reason  text,
    created_at     timestamptz NOT NULL DEFAULT booking.now(),
    updated_at     timestamptz NOT NULL DEFAULT booking.now(),
    version        integer NOT NULL DEFAULT 1,
    external_id    text COLLATE "C",
    CONSTRAINT visit_id_once PRIMARY KEY (visit_id),
    CONSTRAINT visit_slot_exists FOREIGN KEY (slot_id) REFERENCES booking.slot,
    CONSTRAINT visit_patient_exists FOREIGN KEY (brand_id, patient_id) REFERENCES booking.patient,
    CONSTRAINT visit_status_is_known CHECK (status IN
        ('held', 'booked', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired')),
    CONSTRAINT visit_cancelled_iff_dated CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT visit_ends_after_start CHECK (ends_at > starts_at),
    -- One person, one busy line, no matter how many brands offer their time. int8range instead of
    -- `provider_no WITH =`, because that would need the btree_gist extension.
    CONSTRAINT visit_provider_no_overlap EXCLUDE USING gist (
        int8range(provider_no, provider_no, '[]') WITH &&,
        tstzrange(starts_at, ends_at) WITH &&
    ) WHERE (status IN ('held', 'booked', 'checked_in'))
);

CREATE INDEX visit_by_brand ON booking.visit (brand_id, starts_at, visit_id);
CREATE INDEX visit_by_patient ON booking.visit (brand_id, patient_id, starts_at, visit_id);
CREATE UNIQUE INDEX visit_external_id_once ON booking.visit (brand_id, external_id)
    WHERE external_id IS NOT NULL;

------------------------------------------------------------------------------- office hours

-- Wall-clock rules: kept as the coach said them, with the zone they were said in.
CREATE TABLE booking.office_hour (
    office_hour_id    text COLLATE "C" NOT NULL,
    brand_id          text COLLATE "C" NOT NULL,
    provider_no       bigint NOT NULL,
    weekday           smallint NOT NULL,
    wall_from         time NOT NULL,
    wall_until        time NOT NULL,
    time_zone         text NOT NULL,
    duration_minutes  integer NOT NULL,
    capacity          integer NOT NULL,
    valid_from        date,
    valid_until       date,
    created_at        timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT office_hour_id_once PRIMARY KEY (office_hour_id),
    CONSTRAINT office_hour_coach_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT office_hour_weekday_is_iso CHECK (weekday BETWEEN 1 AND 7),
    CONSTRAINT office_hour_ends_after_start CHECK (wall_until > wall_from),
    CONSTRAINT office_hour_duration_is_sane CHECK (duration_minutes BETWEEN 5 AND 1440),
    CONSTRAINT office_hour_capacity_is_sane CHECK (capacity BETWEEN 1 AND 1000),
    CONSTRAINT office_hour_valid_in_order CHECK (valid_until >= valid_from)
);

CREATE INDEX office_hour_by_coach ON booking.office_hour (provider_no, brand_id, office_hour_id);

-- One row a session that somebody booked; the row counts its seats.
CREATE TABLE booking.office_hour_session (
    office_hour_id  text COLLATE "C" NOT NULL,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    brand_id        text COLLATE "C" NOT NULL,
    provider_no     bigint NOT NULL,
    capacity        integer NOT NULL,
    seats_taken     integer NOT NULL,
    CONSTRAINT office_hour_session_once PRIMARY KEY (office_hour_id, starts_at),
    CONSTRAINT office_hour_session_has_its_rule
        FOREIGN KEY (office_hour_id) REFERENCES booking.office_hour,
    CONSTRAINT office_hour_session_seats_within_capacity CHECK (seats_taken BETWEEN 0 AND capacity),
    CONSTRAINT office_hour_session_coach_no_overlap EXCLUDE USING gist (
        int8range(provider_no, provider_no, '[]') WITH &&,
        tstzrange(starts_at, ends_at) WITH &&
    ) WHERE (seats_taken > 0)
);

CREATE TABLE booking.office_hour_booking (
    booking_id        text COLLATE "C" NOT NULL,
    brand_id          text COLLATE "C" NOT NULL,
    office_hour_id    text COLLATE "C" NOT NULL,
    slot_at           timestamptz NOT NULL,
    duration_minutes  integer NOT NULL,
    patient_id        text COLLATE "C" NOT NULL,
    status            text COLLATE "C" NOT NULL,
    notes             text,
    created_at        timestamptz NOT NULL DEFAULT booking.now(),
    updated_at        timestamptz NOT NULL DEFAULT booking.now(),
    cancelled_at      timestamptz,
    version           integer NOT NULL DEFAULT 1,
    CONSTRAINT office_hour_booking_id_once PRIMARY KEY (booking_id),
    CONSTRAINT office_hour_booking_has_its_session
        FOREIGN KEY (office_hour_id, slot_at) REFERENCES booking.office_hour_session,
    CONSTRAINT office_hour_booking_patient_exists
        FOREIGN KEY (brand_id, patient_id) REFERENCES booking.patient,
    CONSTRAINT office_hour_booking_status_is_known
        CHECK (status IN ('booked', 'cancelled', 'completed', 'no_show')),
    CONSTRAINT office_hour_booking_cancelled_iff_dated
        CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL))
);

CREATE UNIQUE INDEX office_hour_booking_patient_once
    ON booking.office_hour_booking (office_hour_id, slot_at, brand_id, patient_id)
    WHERE status = 'booked';
CREATE INDEX office_hour_booking_by_patient
    ON booking.office_hour_booking (brand_id, patient_id, slot_at, booking_id);

------------------------------------------------------------------------------------ journal

-- The outbox. `sequence` numbers the events of one visit (slot, booking) from 1 without a gap.
CREATE TABLE booking.event (
    event_no     bigint GENERATED ALWAYS AS IDENTITY,
    event_id     text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    event_type   text COLLATE "C" NOT NULL,
    entity_id    text COLLATE "C" NOT NULL,
    sequence     integer NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT booking.now(),
    data         jsonb NOT NULL,
    CONSTRAINT event_no_once PRIMARY KEY (event_no),
    CONSTRAINT event_sequence_once UNIQUE (entity_id, sequence)
);

CREATE TABLE booking.audit (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    occurred_at     timestamptz NOT NULL DEFAULT booking.now(),
    actor_type      text COLLATE "C" NOT NULL,
    actor_id        text COLLATE "C" NOT NULL,
    actor_brand_id  text COLLATE "C",
    event_type      text COLLATE "C" NOT NULL,
    entity_type     text COLLATE "C" NOT NULL,
    entity_id       text COLLATE "C" NOT NULL,
    brand_id        text COLLATE "C" NOT NULL,
    request_id      text NOT NULL,
    details         jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_id_once PRIMARY KEY (id),
    CONSTRAINT audit_actor_type_is_known CHECK (actor_type IN ('user', 'service', 'system'))
);

CREATE FUNCTION booking.refuse_change_of_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'booking.audit is append-only' USING ERRCODE = 'insufficient_privilege'; END $$;

CREATE TRIGGER audit_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON booking.audit
    FOR EACH STATEMENT EXECUTE FUNCTION booking.refuse_change_of_audit();

-- What a caller's idempotency key led to. `outcome` is `done` or the code of a refusal.
CREATE TABLE booking.idempotency (
    brand_id     text COLLATE "C" NOT NULL,
    caller       text COLLATE "C" NOT NULL,
    route        text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    fingerprint  bytea NOT NULL,
    outcome      text COLLATE "C" NOT NULL,
    answer       jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT idempotency_key_once PRIMARY KEY (key, caller, route, brand_id)
);

CREATE INDEX idempotency_by_age ON booking.idempotency (created_at);

----------------------------------------------------------------------------------- identity

-- Tokens this service issued itself; only their SHA-256 is kept. brand_id '*' is every brand.
CREATE TABLE booking.token (
    token_hash  bytea NOT NULL,
    token_id    text COLLATE "C" NOT NULL,
    brand_id    text COLLATE "C" NOT NULL,
    role        text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT booking.now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    CONSTRAINT token_hash_once PRIMARY KEY (token_hash),
    CONSTRAINT token_id_once UNIQUE (token_id),
    CONSTRAINT token_role_is_known CHECK (role IN ('patient', 'staff', 'service')),
    CONSTRAINT token_of_every_brand_is_a_service CHECK (brand_id <> '*' OR role = 'service')
);

-- Calls counted per caller and minute, shared by all workers. Losing it in a crash costs nothing.
CREATE UNLOGGED TABLE booking.rate_window (
    brand_id    text COLLATE "C" NOT NULL,
    caller      text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    minute      timestamptz NOT NULL,
    call_count  integer NOT NULL,
    CONSTRAINT rate_window_once PRIMARY KEY (caller, kind, minute, brand_id)
);
