-- name: add_schedule^
INSERT INTO booking.schedule (
    schedule_id, brand_id, provider_no, time_zone, valid_from, valid_until, holiday_region, rules)
VALUES (:schedule_id, :brand_id, :provider_no, :time_zone, :valid_from, :valid_until,
        :holiday_region, :rules::jsonb)
RETURNING schedule_id, brand_id, :provider_id::text AS provider_id, time_zone, valid_from,
          valid_until, holiday_region, rules, created_at, updated_at, version;

-- name: list_schedules
SELECT schedule_id, brand_id, :provider_id::text AS provider_id, time_zone, valid_from,
       valid_until, holiday_region, rules, created_at, updated_at, version
FROM booking.schedule
WHERE provider_no = :provider_no AND brand_id = :brand_id AND schedule_id > :after_id
ORDER BY schedule_id
LIMIT :row_limit;

-- name: get_schedule^
SELECT schedule_id, brand_id, :provider_id::text AS provider_id, time_zone, valid_from,
       valid_until, holiday_region, rules, created_at, updated_at, version
FROM booking.schedule
WHERE provider_no = :provider_no AND brand_id = :brand_id AND schedule_id = :schedule_id;

-- name: change_schedule^
UPDATE booking.schedule
SET time_zone = :time_zone, valid_from = :valid_from, valid_until = :valid_until,
    holiday_region = :holiday_region, rules = :rules::jsonb, updated_at = booking.now(),
    version = version + 1
WHERE provider_no = :provider_no AND brand_id = :brand_id AND schedule_id = :schedule_id
RETURNING schedule_id, brand_id, :provider_id::text AS provider_id, time_zone, valid_from,
          valid_until, holiday_region, rules, created_at, updated_at, version;

-- name: remove_schedule!
DELETE FROM booking.schedule
WHERE provider_no = :provider_no AND brand_id = :brand_id AND schedule_id = :schedule_id;

-- name: add_time_off^
INSERT INTO booking.time_off (
    time_off_id, brand_id, provider_no, wall_from, wall_until, time_zone, starts_at, ends_at)
VALUES (:time_off_id, :brand_id, :provider_no, :wall_from, :wall_until, :time_zone, :starts_at,
        :ends_at)
RETURNING time_off_id, brand_id, :provider_id::text AS provider_id, wall_from, wall_until,
          time_zone, starts_at, ends_at, created_at;

-- name: list_time_off
-- In the order of when it ends, so that what is still to come is one stretch of the index.
SELECT time_off_id, brand_id, :provider_id::text AS provider_id, wall_from, wall_until,
       time_zone, starts_at, ends_at, created_at
FROM booking.time_off
WHERE provider_no = :provider_no AND brand_id = :brand_id
    AND (ends_at, time_off_id) > (:after_at::timestamptz, :after_id::text)
ORDER BY ends_at, time_off_id
LIMIT :row_limit;

-- name: get_time_off^
SELECT time_off_id, brand_id, :provider_id::text AS provider_id, wall_from, wall_until,
       time_zone, starts_at, ends_at, created_at
FROM booking.time_off
WHERE provider_no = :provider_no AND brand_id = :brand_id AND time_off_id = :time_off_id;

-- name: move_time_off!
-- What the wall times mean, read anew with other zone data.
UPDATE booking.time_off AS o
SET starts_at = w.starts_at, ends_at = w.ends_at
FROM unnest(:time_off_ids::text[], :starts_ats::timestamptz[], :ends_ats::timestamptz[])
    AS w (time_off_id, starts_at, ends_at)
WHERE o.time_off_id = w.time_off_id AND o.brand_id = :brand_id;

-- name: remove_time_off!
DELETE FROM booking.time_off
WHERE provider_no = :provider_no AND brand_id = :brand_id AND time_off_id = :time_off_id;

-- name: list_visits_ahead
-- Of the provider and the brand, whose time is taken and has not begun; earliest first.
SELECT v.visit_id, v.slot_id, v.starts_at, v.ends_at,
       (SELECT s.rule_id IS NOT NULL
        FROM booking.slot AS s
        WHERE s.slot_id = v.slot_id AND s.brand_id = v.brand_id) AS is_derived
FROM booking.visit AS v
WHERE v.brand_id = :brand_id AND v.provider_no = :provider_no
    AND v.status NOT IN ('cancelled', 'expired')
    AND v.status IN ('held', 'booked', 'checked_in')
    AND v.starts_at > booking.now()
ORDER BY v.starts_at;

-- name: list_times_taken
-- excused: the provider's visits in whatever brand; of those of others no more than the time is told.
SELECT v.starts_at, v.ends_at, v.status = 'held' AS is_held, v.brand_id = :brand_id AS is_own
FROM booking.visit AS v
WHERE v.provider_no = :provider_no
    AND v.status NOT IN ('cancelled', 'expired')
    AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
    AND v.starts_at < :until_at AND v.starts_at > :from_at::timestamptz - interval '24 hours'
    AND v.ends_at > :from_at
ORDER BY v.starts_at;
