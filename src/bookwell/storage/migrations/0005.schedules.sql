-- A provider's week, what is off in it, and the slots that come of it.
-- Sources: docs/decisions/0023-schedules.md.

SET LOCAL lock_timeout = '5s';

-- rules is the week as it was said: wall times of time_zone; see bookwell.domain.schedules.
CREATE TABLE booking.schedule (
    schedule_id     text COLLATE "C" NOT NULL,
    brand_id        text COLLATE "C" NOT NULL,
    provider_no     bigint NOT NULL,
    time_zone       text COLLATE "C" NOT NULL,
    valid_from      date,
    valid_until     date,
    holiday_region  text COLLATE "C",
    rules           jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT booking.now(),
    updated_at      timestamptz NOT NULL DEFAULT booking.now(),
    version         integer NOT NULL DEFAULT 1,
    CONSTRAINT schedule_id_once PRIMARY KEY (schedule_id),
    CONSTRAINT schedule_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT schedule_valid_in_order CHECK (valid_until >= valid_from)
);

CREATE INDEX schedule_by_provider ON booking.schedule (provider_no, brand_id, schedule_id);

-- When a provider is away. The instants say what the wall times mean in the zone.
CREATE TABLE booking.time_off (
    time_off_id  text COLLATE "C" NOT NULL,
    brand_id     text COLLATE "C" NOT NULL,
    provider_no  bigint NOT NULL,
    wall_from    timestamp NOT NULL,
    wall_until   timestamp NOT NULL,
    time_zone    text COLLATE "C" NOT NULL,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT booking.now(),
    CONSTRAINT time_off_id_once PRIMARY KEY (time_off_id),
    CONSTRAINT time_off_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT time_off_ends_after_start CHECK (ends_at > starts_at AND wall_until > wall_from)
);

CREATE INDEX time_off_by_provider ON booking.time_off (provider_no, brand_id, ends_at);

-- A statement that takes a slot sees what was before it began, and may have waited for the provider's
-- lock since. So a change of when a provider is there, and for whom, is counted on the provider's own
-- row: that, locked, is seen as it is now, and a number other than the one before says to look again.
ALTER TABLE booking.provider ADD COLUMN presence_changes integer NOT NULL DEFAULT 0;

CREATE FUNCTION booking.count_change_of_presence() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE booking.provider
    SET presence_changes = presence_changes + 1
    WHERE provider_no = coalesce(NEW.provider_no, OLD.provider_no);
    RETURN NULL;
END
$$;

CREATE TRIGGER time_off_is_counted
    AFTER INSERT OR UPDATE OR DELETE ON booking.time_off
    FOR EACH ROW EXECUTE FUNCTION booking.count_change_of_presence();

CREATE TRIGGER licence_is_counted
    AFTER INSERT OR UPDATE OR DELETE ON booking.licence
    FOR EACH ROW EXECUTE FUNCTION booking.count_change_of_presence();

-- How far a provider's slots for a brand are made, with which zone data, and when to look again.
CREATE TABLE booking.derivation (
    brand_id       text COLLATE "C" NOT NULL,
    provider_no    bigint NOT NULL,
    derived_at     timestamptz,
    derived_until  timestamptz,
    zone_data      text COLLATE "C",
    due_at         timestamptz NOT NULL,
    CONSTRAINT derivation_once PRIMARY KEY (provider_no, brand_id),
    CONSTRAINT derivation_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation
);

CREATE INDEX derivation_by_due ON booking.derivation (due_at);

-- A slot that comes of a schedule knows the rule it comes of, and the visit types it is for; one
-- posted by hand has neither, and is for every type that fits. is_withdrawn says that the schedule
-- took the slot back, and may offer the time again; a slot that a person took back stays away. A
-- withdrawn slot with a visit on it is there until the visit is not.
ALTER TABLE booking.slot
    ADD COLUMN rule_id text COLLATE "C",
    ADD COLUMN visit_types text[],
    ADD COLUMN is_withdrawn boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT slot_has_types_iff_a_rule CHECK ((rule_id IS NULL) = (visit_types IS NULL)),
    ADD CONSTRAINT slot_withdrawn_only_once_derived CHECK (NOT is_withdrawn OR rule_id IS NOT NULL);

-- Those that wait for their visits to end, cancelled or moved or over.
CREATE INDEX slot_withdrawn_later ON booking.slot (provider_no, brand_id, starts_at)
    WHERE is_withdrawn AND deleted_at IS NULL;
