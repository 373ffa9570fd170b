-- name: list_old_logs
-- excused: every brand's events grow old
-- Brands whose oldest event is older than this.
SELECT l.brand_id
FROM booking.event_log AS l
JOIN booking.event AS e ON e.brand_id = l.brand_id AND e.position = l.kept_from
WHERE e.occurred_at < booking.now() - :kept_for::interval
ORDER BY l.brand_id;

-- name: lock_event_log!
-- Against everybody who holds the log as it is, a replay for one.
SELECT FROM booking.event_log WHERE brand_id = :brand_id FOR UPDATE;

-- name: sweep_events$
-- Deletes the oldest events of a brand's log with their deliveries, up to the first one that may not
-- go: one that is young enough, or on its way to somebody, or not published on the bus. The log is
-- kept from there on, so it never has a hole. One caller does it at a time. Answers how many went.
WITH turn AS MATERIALIZED (
    SELECT l.kept_from
    FROM (SELECT pg_try_advisory_xact_lock(hashtext('booking.sweep_events')) AS is_ours) AS lock
    JOIN booking.event_log AS l ON lock.is_ours AND l.brand_id = :brand_id
), looked_at AS MATERIALIZED (
    SELECT position, occurred_at
    FROM booking.event
    WHERE brand_id = :brand_id AND position >= (SELECT kept_from FROM turn)
    ORDER BY position
    LIMIT :row_limit
), first_to_stay AS MATERIALIZED (
    -- Of several reasons, the one that comes first.
    SELECT least(
        (SELECT min(position)
         FROM looked_at
         WHERE occurred_at >= booking.now() - :kept_for::interval),
        (SELECT min(position)
         FROM booking.delivery
         WHERE brand_id = :brand_id
             AND position >= (SELECT kept_from FROM turn)
             AND position <= (SELECT max(position) FROM looked_at)
             AND status = 'pending'),
        CASE WHEN :is_published::boolean THEN coalesce(
            (SELECT position FROM booking.bus_bookmark WHERE brand_id = :brand_id), 0) + 1 END
        ) AS position
), going AS MATERIALIZED (
    SELECT count(*) AS event_count, max(looked_at.position) AS last_position
    FROM looked_at
    LEFT JOIN first_to_stay ON true
    WHERE first_to_stay.position IS NULL OR looked_at.position < first_to_stay.position
), log AS (
    UPDATE booking.event_log
    SET kept_from = going.last_position + 1
    FROM going
    WHERE brand_id = :brand_id AND going.event_count > 0
), delivery AS (
    DELETE FROM booking.delivery
    WHERE brand_id = :brand_id
        AND position >= (SELECT kept_from FROM turn)
        AND position <= (SELECT last_position FROM going)
        AND status <> 'pending'
), event AS (
    DELETE FROM booking.event
    WHERE brand_id = :brand_id
        AND position >= (SELECT kept_from FROM turn)
        AND position <= (SELECT last_position FROM going)
)
SELECT event_count FROM going;

-- name: sweep_tests!
-- excused: every brand's tests grow old
-- Deliveries that were tests belong to no event of the log.
DELETE FROM booking.delivery
WHERE position IS NULL
    AND status <> 'pending'
    AND created_at < booking.now() - :kept_for::interval;

-- name: give_up_deliveries!
-- excused: each brand's endpoints may be forgotten
-- What waits for an endpoint that somebody disabled, for as long as events are kept, is given up: it
-- would else keep its event, and all later ones, for ever. Elsewhere attempts come to an end.
UPDATE booking.delivery
SET status = 'failed', settled_at = booking.now()
WHERE status = 'pending'
    AND created_at < booking.now() - :kept_for::interval
    AND endpoint_id = ANY (ARRAY(
        SELECT endpoint_id FROM booking.webhook_endpoint WHERE disabled_at IS NOT NULL));
