-- name: list_old_reminders
-- excused: every brand's reminders grow old
-- Brands with a reminder of a start longer ago than this. Whoever ever had a rule is looked through.
SELECT l.brand_id
FROM booking.reminder_look AS l
WHERE EXISTS (
    SELECT FROM booking.reminder AS r
    WHERE r.brand_id = l.brand_id AND r.starts_at < booking.now() - :kept_for::interval)
ORDER BY l.brand_id;

-- name: sweep_reminders$
-- Deletes a brand's oldest reminders with their messages, whatever became of them. Nothing is told
-- again because of it: a visit is only reminded of a start that is still to come, and its message is
-- only sent before it. One caller does it at a time. Answers how many reminders went.
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtext('booking.sweep_reminders')) AS is_ours
), going AS MATERIALIZED (
    SELECT visit_id, starts_at, offset_minutes
    FROM booking.reminder
    WHERE brand_id = :brand_id
        AND starts_at < booking.now() - :kept_for::interval
        AND (SELECT is_ours FROM turn)
    ORDER BY starts_at
    LIMIT :row_limit
), message AS (
    DELETE FROM booking.message AS m
    USING going
    WHERE m.brand_id = :brand_id AND m.visit_id = going.visit_id
        AND m.starts_at = going.starts_at AND m.offset_minutes = going.offset_minutes
), reminder AS (
    DELETE FROM booking.reminder AS r
    USING going
    WHERE r.brand_id = :brand_id AND r.visit_id = going.visit_id
        AND r.starts_at = going.starts_at AND r.offset_minutes = going.offset_minutes
)
SELECT count(*) FROM going;
