-- name: is_day_past$
-- excused: transactions belong to no brand
-- Whether everything that ever gets this day's date is committed: the day ended, and no transaction
-- that began on it is open, by the clock of then or of now, should it have been shifted. A minute is
-- for those that have begun and do not say so yet.
SELECT booking.now() >= ends_at + interval '1 minute'
    AND NOT EXISTS (
        SELECT
        FROM pg_stat_activity
        WHERE datname = current_database()
            AND backend_type = 'client backend'
            AND pid <> pg_backend_pid()
            AND least(xact_start, xact_start + (booking.now() - now())) < ends_at)
FROM (SELECT (:day::date + 1)::timestamp AT TIME ZONE 'UTC' AS ends_at) AS day;

-- name: read_event_day^
-- What the log has of a day, read from the stretch of it where that day's events are.
WITH day AS (
    SELECT first_position, last_position
    FROM booking.event_day
    WHERE brand_id = :brand_id AND day = :day
), found AS MATERIALIZED (
    SELECT event_id, event_type
    FROM booking.event
    WHERE brand_id = :brand_id
        AND position BETWEEN (SELECT first_position FROM day) AND (SELECT last_position FROM day)
        AND (occurred_at AT TIME ZONE 'UTC')::date = :day
), counted AS (
    SELECT event_type, count(*) AS event_count FROM found GROUP BY event_type
)
SELECT coalesce((SELECT kept_from FROM booking.event_log WHERE brand_id = :brand_id), 1)
           AS kept_from,
       (SELECT first_position FROM day) AS first_position,
       (SELECT last_position FROM day) AS last_position,
       coalesce(
           (SELECT jsonb_object_agg(event_type, event_count ORDER BY event_type) FROM counted),
           '{}') AS counts,
       encode(sha256(convert_to(coalesce(
           (SELECT string_agg(event_id || E'\n', '' ORDER BY event_id) FROM found), ''), 'UTF8')),
           'hex') AS hash,
       EXISTS (
           SELECT
           FROM booking.event
           WHERE brand_id = :brand_id
               AND position IS NULL
               AND (occurred_at AT TIME ZONE 'UTC')::date = :day) AS is_waiting;
