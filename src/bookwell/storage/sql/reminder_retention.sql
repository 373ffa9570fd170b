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
-- only sent before it. One caller does it at a time. Answers how many reminders went. They are found
-- by their visits, one by one; joined with what goes, the tables would be read as a whole.
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtext('booking.sweep_reminders')) AS is_ours
), going AS MATERIALIZED (
    SELECT visit_id, starts_at
    FROM booking.reminder
    WHERE brand_id = :brand_id
        AND starts_at < booking.now() - :kept_for::interval
        AND (SELECT is_ours FROM turn)
    ORDER BY starts_at
    LIMIT :row_limit
), message AS (
    DELETE FROM booking.message
    WHERE brand_id = :brand_id
        AND visit_id = ANY (ARRAY(SELECT visit_id FROM going))
        AND starts_at <= (SELECT max(starts_at) FROM going)
), reminder AS (
    DELETE FROM booking.reminder
    WHERE brand_id = :brand_id
        AND visit_id = ANY (ARRAY(SELECT visit_id FROM going))
        AND starts_at <= (SELECT max(starts_at) FROM going)
    RETURNING visit_id
)
SELECT count(*) FROM reminder;
