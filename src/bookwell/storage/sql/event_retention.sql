-- name: list_old_logs
-- excused: every brand's events grow old
-- Brands whose oldest event is older than this.
SELECT l.brand_id
FROM booking.event_log AS l
JOIN booking.event AS e ON e.brand_id = l.brand_id AND e.position = l.kept_from
WHERE e.occurred_at < booking.now() - :kept_for::interval
ORDER BY l.brand_id;

-- name: sweep_events$
-- Deletes the oldest events of a brand's log with their deliveries, up to the first one that may not
-- go: one that is young enough, or on its way to somebody, or not published on the bus. The log is
-- kept from there on, so it never has a hole. One caller does it at a time. Answers how many went.
WITH turn AS MATERIALIZED (
    SELECT l.kept_from
    FROM (SELECT pg_try_advisory_xact_lock(hashtext('booking.sweep_events')) AS is_ours) AS lock
    JOIN booking.event_log AS l ON lock.is_ours AND l.brand_id = :brand_id
), looked_at AS MATERIALIZED (
    SELECT e.position,
           e.occurred_at < booking.now() - :kept_for::interval
           AND NOT EXISTS (
               SELECT
               FROM booking.delivery AS d
               WHERE d.brand_id = :brand_id AND d.position = e.position AND d.status = 'pending')
           AND (NOT :is_published::boolean OR e.position <= coalesce(
               (SELECT b.position FROM booking.bus_bookmark AS b WHERE b.brand_id = :brand_id), 0))
               AS may_go
    FROM booking.event AS e
    WHERE e.brand_id = :brand_id AND e.position >= (SELECT kept_from FROM turn)
    ORDER BY e.position
    LIMIT :row_limit
), going AS MATERIALIZED (
    SELECT position
    FROM looked_at
    WHERE position < coalesce(
        (SELECT min(position) FROM looked_at WHERE NOT may_go), 'infinity'::float8)
), log AS (
    UPDATE booking.event_log
    SET kept_from = (SELECT max(position) + 1 FROM going)
    WHERE brand_id = :brand_id AND EXISTS (SELECT FROM going)
), delivery AS (
    DELETE FROM booking.delivery AS d
    USING going
    WHERE d.brand_id = :brand_id AND d.position = going.position AND d.status <> 'pending'
), event AS (
    DELETE FROM booking.event AS e
    USING going
    WHERE e.brand_id = :brand_id AND e.position = going.position
)
SELECT count(*) FROM going;

-- name: sweep_tests!
-- excused: every brand's tests grow old
-- Deliveries that were tests belong to no event of the log.
DELETE FROM booking.delivery
WHERE position IS NULL
    AND status <> 'pending'
    AND created_at < booking.now() - :kept_for::interval;
