-- What a brand's visits are like, who may hold which licence, and where patients are.
-- Sources: docs/decisions/0021-terms.md, docs/decisions/0022-booking-rules.md.

SET LOCAL lock_timeout = '5s';

-- The terms of a visit: never changed, so that a visit keeps those it was booked under. Whoever
-- changes a visit type makes new ones, unless the same are there already (digest is the SHA-256 of
-- all fields).
CREATE TABLE booking.terms (
    terms_no                   bigint GENERATED ALWAYS AS IDENTITY,
    brand_id                   text COLLATE "C" NOT NULL,
    digest                     bytea NOT NULL,
    is_offered                 boolean NOT NULL,
    duration_minutes           integer NOT NULL,
    buffer_before_minutes      integer NOT NULL,
    buffer_after_minutes       integer NOT NULL,
    grid_minutes               integer NOT NULL,
    notice_minutes             integer NOT NULL,
    horizon_days               integer NOT NULL,
    modality                   text COLLATE "C" NOT NULL,
    booked_by                  text COLLATE "C" NOT NULL,
    licence_required           boolean NOT NULL,
    time_zone                  text COLLATE "C" NOT NULL,
    patient_cap                integer,
    patient_cap_period         text COLLATE "C" NOT NULL,
    provider_day_cap           integer,
    cancel_late_minutes        integer NOT NULL,
    cancel_cutoff_minutes      integer NOT NULL,
    reschedule_late_minutes    integer NOT NULL,
    reschedule_cutoff_minutes  integer NOT NULL,
    late_cancel_price_minor    integer,
    late_cancel_currency       text COLLATE "C",
    created_at                 timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT terms_no_once PRIMARY KEY (terms_no),
    CONSTRAINT terms_once UNIQUE (brand_id, digest),
    CONSTRAINT terms_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT terms_duration_is_sane CHECK (duration_minutes BETWEEN 1 AND 1440),
    CONSTRAINT terms_buffers_are_sane CHECK (
        buffer_before_minutes BETWEEN 0 AND 1440 AND buffer_after_minutes BETWEEN 0 AND 1440),
    CONSTRAINT terms_grid_is_sane CHECK (grid_minutes BETWEEN 1 AND 1440),
    CONSTRAINT terms_caps_are_sane CHECK (patient_cap >= 1 AND provider_day_cap >= 1),
    CONSTRAINT terms_modality_is_known CHECK (modality IN ('video', 'phone', 'in_person')),
    CONSTRAINT terms_booked_by_is_known CHECK (booked_by IN ('patient', 'staff')),
    CONSTRAINT terms_period_is_known
        CHECK (patient_cap_period IN ('day', 'week', 'month', 'year')),
    CONSTRAINT terms_price_iff_currency
        CHECK ((late_cancel_price_minor IS NULL) = (late_cancel_currency IS NULL))
);

CREATE FUNCTION booking.refuse_change_of_terms() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'booking.terms never change' USING ERRCODE = 'insufficient_privilege'; END $$;

CREATE TRIGGER terms_never_change
    BEFORE UPDATE OR DELETE OR TRUNCATE ON booking.terms
    FOR EACH STATEMENT EXECUTE FUNCTION booking.refuse_change_of_terms();

CREATE TABLE booking.visit_type (
    brand_id    text COLLATE "C" NOT NULL,
    visit_type  text COLLATE "C" NOT NULL,
    name        text NOT NULL,
    terms_no    bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT booking.now(),
    updated_at  timestamptz NOT NULL DEFAULT booking.now(),
    retired_at  timestamptz,
    version     integer NOT NULL DEFAULT 1,
    CONSTRAINT visit_type_once PRIMARY KEY (brand_id, visit_type),
    CONSTRAINT visit_type_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT visit_type_has_its_terms FOREIGN KEY (terms_no) REFERENCES booking.terms
);

-- What differs for one provider. fields has only what differs; terms_no all of what it comes to.
CREATE TABLE booking.visit_type_override (
    brand_id     text COLLATE "C" NOT NULL,
    visit_type   text COLLATE "C" NOT NULL,
    provider_no  bigint NOT NULL,
    fields       jsonb NOT NULL,
    terms_no     bigint NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT visit_type_override_once PRIMARY KEY (brand_id, visit_type, provider_no),
    CONSTRAINT visit_type_override_of_a_type
        FOREIGN KEY (brand_id, visit_type) REFERENCES booking.visit_type,
    CONSTRAINT visit_type_override_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT visit_type_override_has_its_terms FOREIGN KEY (terms_no) REFERENCES booking.terms
);

-- Where a provider may see patients. The instants say what the dates mean in the licence's zone.
CREATE TABLE booking.licence (
    licence_id   text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    provider_no  bigint NOT NULL,
    region       text COLLATE "C" NOT NULL,
    valid_from   date,
    valid_until  date,
    time_zone    text COLLATE "C" NOT NULL,
    starts_at    timestamptz,
    ends_at      timestamptz,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT licence_id_once PRIMARY KEY (licence_id),
    CONSTRAINT licence_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT licence_valid_in_order CHECK (valid_until >= valid_from)
);

CREATE INDEX licence_by_provider ON booking.licence (provider_no, brand_id);

-- Where a patient is, from when to when; where they are always has neither.
CREATE TABLE booking.patient_region (
    brand_id    text COLLATE "C" NOT NULL,
    patient_id  text COLLATE "C" NOT NULL,
    region      text COLLATE "C" NOT NULL,
    starts_at   timestamptz,
    ends_at     timestamptz,
    CONSTRAINT patient_region_patient_exists
        FOREIGN KEY (brand_id, patient_id) REFERENCES booking.patient,
    CONSTRAINT patient_region_one_at_a_time
        UNIQUE NULLS NOT DISTINCT (brand_id, patient_id, starts_at),
    CONSTRAINT patient_region_ends_after_start CHECK (ends_at > starts_at)
);

---------------------------------------------------------------------- visits under their terms

-- taken_from and taken_until are there where the terms keep some time free before or after.
ALTER TABLE booking.visit
    ADD COLUMN terms_no bigint,
    ADD COLUMN taken_from timestamptz,
    ADD COLUMN taken_until timestamptz,
    ADD COLUMN cancelled_late boolean,
    ADD CONSTRAINT visit_has_its_terms FOREIGN KEY (terms_no) REFERENCES booking.terms,
    ADD CONSTRAINT visit_taken_longer_than_it_lasts
        CHECK (taken_from <= starts_at AND taken_until >= ends_at),
    DROP CONSTRAINT visit_provider_no_overlap,
    -- The referee, now with the time that terms keep free around a visit.
    ADD CONSTRAINT visit_provider_no_overlap EXCLUDE USING gist (
        int8range(provider_no, provider_no, '[]') WITH &&,
        tstzrange(coalesce(taken_from, starts_at), coalesce(taken_until, ends_at)) WITH &&
    ) WHERE (status IN ('held', 'booked', 'checked_in'));

-- A provider's day: what takes their time, and what counts against a cap.
CREATE INDEX visit_by_provider ON booking.visit (provider_no, starts_at)
    WHERE status NOT IN ('cancelled', 'expired');

-- The times that nobody else can have, in whatever brand; see 0003.
CREATE OR REPLACE VIEW booking.taken_time AS
SELECT int8range(v.provider_no, v.provider_no, '[]') AS provider,
       tstzrange(coalesce(v.taken_from, v.starts_at), coalesce(v.taken_until, v.ends_at)) AS during,
       v.status = 'held' AS is_held,
       v.visit_id
FROM booking.visit AS v
WHERE v.status IN ('held', 'booked', 'checked_in')
    AND (v.status <> 'held' OR v.hold_expires_at > booking.now());

-- As in 0002, with what a cancellation was.
CREATE OR REPLACE VIEW booking.visit_seen AS
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id,
       CASE WHEN is_past THEN 'expired' ELSE v.status END AS status,
       v.visit_type, v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at,
       CASE WHEN is_past THEN v.hold_expires_at ELSE v.updated_at END AS updated_at,
       CASE WHEN is_past THEN v.version + 1 ELSE v.version END AS version,
       v.starts_at, v.ends_at, v.hold_expires_at, v.cancelled_late
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
CROSS JOIN LATERAL (
    SELECT v.status = 'held' AND v.hold_expires_at <= booking.now() AS is_past) AS hold;
