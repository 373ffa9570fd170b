-- Calendar feeds: private addresses under which a provider's, a coach's or a patient's visits are read.
-- Sources: RFC 5545, RFC 7986; docs/decisions/0032-calendars.md.

SET LOCAL lock_timeout = '5s';

-- Only the SHA-256 of an address's secret is kept, and of a revoked feed not even that.
CREATE TABLE booking.calendar_feed (
    feed_id      text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    owner_kind   text COLLATE "C" NOT NULL,
    provider_no  bigint,
    patient_id   text COLLATE "C",
    secret_hash  bytea,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    rotated_at   timestamptz,
    revoked_at   timestamptz,
    version      integer NOT NULL DEFAULT 1,
    CONSTRAINT calendar_feed_id_once PRIMARY KEY (feed_id),
    CONSTRAINT calendar_feed_secret_once UNIQUE (secret_hash),
    CONSTRAINT calendar_feed_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT calendar_feed_patient_exists
        FOREIGN KEY (brand_id, patient_id) REFERENCES booking.patient,
    CONSTRAINT calendar_feed_owner_kind_is_known
        CHECK (owner_kind IN ('provider', 'coach', 'patient')),
    CONSTRAINT calendar_feed_has_one_owner CHECK (
        (owner_kind = 'patient') = (patient_id IS NOT NULL)
        AND (owner_kind = 'patient') = (provider_no IS NULL)),
    CONSTRAINT calendar_feed_secret_until_revoked
        CHECK ((secret_hash IS NULL) = (revoked_at IS NOT NULL))
);

CREATE INDEX calendar_feed_by_brand ON booking.calendar_feed (brand_id, feed_id)
    WHERE revoked_at IS NULL;
CREATE INDEX calendar_feed_by_provider ON booking.calendar_feed (provider_no, brand_id)
    WHERE revoked_at IS NULL AND provider_no IS NOT NULL;
CREATE INDEX calendar_feed_by_patient ON booking.calendar_feed (brand_id, patient_id)
    WHERE revoked_at IS NULL AND patient_id IS NOT NULL;

-- A cancelled visit stays in its provider's calendar; visit_by_provider is without them.
CREATE INDEX visit_cancelled_by_provider ON booking.visit (provider_no, starts_at)
    WHERE status = 'cancelled';

-- A coach's sessions, those that are empty again among them, and who sits or sat in one.
CREATE INDEX office_hour_session_by_coach
    ON booking.office_hour_session (provider_no, starts_at);
CREATE INDEX office_hour_booking_by_session
    ON booking.office_hour_booking (office_hour_id, slot_at);
