-- name: lock_reminder_rules$
-- Changes of a brand's reminders and quiet hours take turns.
SELECT brand_id
FROM (SELECT :brand_id::text AS brand_id) AS brand,
     pg_advisory_xact_lock(hashtextextended('booking.reminder_rule ' || brand_id, 0));

-- name: knows_visit_type$
-- A brand without visit types takes visits of any.
SELECT EXISTS (
        SELECT FROM booking.visit_type WHERE brand_id = :brand_id AND visit_type = :visit_type)
    OR NOT EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id);

-- name: put_reminder_rule^
INSERT INTO booking.reminder_rule AS r (rule_id, brand_id, visit_type, reminders)
VALUES (:rule_id, :brand_id, :visit_type, :reminders::jsonb)
ON CONFLICT ON CONSTRAINT reminder_rule_once DO UPDATE
SET reminders = excluded.reminders, holds_since = booking.now(), updated_at = booking.now(),
    version = r.version + 1
RETURNING rule_id, brand_id, visit_type, reminders, holds_since, created_at, updated_at, version;

-- name: start_looking!
-- Or, where somebody looks already, have all visits looked through next.
INSERT INTO booking.reminder_look (brand_id) VALUES (:brand_id)
ON CONFLICT ON CONSTRAINT reminder_look_once DO UPDATE SET looked_through_at = '-infinity';

-- name: look_through_again!
UPDATE booking.reminder_look SET looked_through_at = '-infinity' WHERE brand_id = :brand_id;

-- name: delete_reminder_rule!
-- That of all others now holds for its type too, and floods nobody either with what is past.
WITH others AS (
    UPDATE booking.reminder_rule
    SET holds_since = booking.now()
    WHERE brand_id = :brand_id AND visit_type IS NULL AND rule_id <> :rule_id
)
DELETE FROM booking.reminder_rule WHERE brand_id = :brand_id AND rule_id = :rule_id;

-- name: list_reminder_rules
-- All of the brand's, or the one named.
SELECT rule_id, brand_id, visit_type, reminders, holds_since, created_at, updated_at, version
FROM booking.reminder_rule
WHERE brand_id = :brand_id
    AND rule_id = coalesce(:rule_id::text, rule_id)
    AND rule_id > :after_id
ORDER BY rule_id
LIMIT :row_limit;

-- name: find_reminder_rule^
-- The one of exactly this visit type, or of all others.
SELECT rule_id, brand_id, visit_type, reminders, holds_since, created_at, updated_at, version
FROM booking.reminder_rule
WHERE brand_id = :brand_id AND visit_type IS NOT DISTINCT FROM :visit_type::text;

-- name: get_quiet_hours^
SELECT brand_id, wall_from, wall_until, is_on, updated_at, version
FROM booking.quiet_hours
WHERE brand_id = :brand_id;

-- name: put_quiet_hours^
-- Hours that nobody set are version 1.
INSERT INTO booking.quiet_hours AS q (brand_id, wall_from, wall_until, is_on, version)
VALUES (:brand_id, :wall_from, :wall_until, :is_on, 2)
ON CONFLICT ON CONSTRAINT quiet_hours_once DO UPDATE
SET wall_from = excluded.wall_from, wall_until = excluded.wall_until, is_on = excluded.is_on,
    updated_at = booking.now(), version = q.version + 1
RETURNING brand_id, wall_from, wall_until, is_on, updated_at, version;

-- name: get_patient_time_zone^
SELECT patient_id, time_zone
FROM booking.patient
WHERE brand_id = :brand_id AND patient_id = :patient_id;

-- name: set_patient_time_zone^
UPDATE booking.patient
SET time_zone = :time_zone
WHERE brand_id = :brand_id AND patient_id = :patient_id
RETURNING patient_id, time_zone;
