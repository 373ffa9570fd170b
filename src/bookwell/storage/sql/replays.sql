-- name: list_deliveries
-- An endpoint's deliveries, newest first, each with its attempts.
SELECT d.delivery_no, d.event_id, d.event_type, d.entity_id, d.position, d.status, d.attempts
           AS attempt_count,
       d.created_at, d.settled_at,
       CASE WHEN d.status = 'pending' THEN d.next_attempt_at END AS next_attempt_at,
       coalesce(
           (SELECT jsonb_agg(jsonb_build_object(
                'attempt', a.attempt, 'attempted_at', a.attempted_at,
                'duration_ms', a.duration_ms, 'http_status', a.http_status, 'cause', a.cause)
                ORDER BY a.attempt)
            FROM booking.delivery_attempt AS a
            WHERE a.delivery_no = d.delivery_no),
           '[]')::text AS attempts
FROM booking.delivery AS d
WHERE d.brand_id = :brand_id
    AND d.endpoint_id = :endpoint_id
    AND d.delivery_no > 0
    AND d.delivery_no < :before_no::bigint
    AND (:status::text IS NULL OR d.status = :status)
    AND (:event_type::text IS NULL OR d.event_type = :event_type)
    AND (:entity_id::text IS NULL OR d.entity_id = :entity_id)
ORDER BY d.delivery_no DESC
LIMIT :row_limit;

-- name: find_span_of_days^
-- Where in the log what occurred on these days (UTC) is to be found.
SELECT min(first_position) AS first_position, max(last_position) AS last_position
FROM booking.event_day
WHERE brand_id = :brand_id
    AND (:first_day::date IS NULL OR day >= :first_day)
    AND (:last_day::date IS NULL OR day <= :last_day);

-- name: replay_events^
-- New deliveries of the events in a stretch of the log, in its order, if they are not too many.
-- Answers how many there are (one more than allowed stands for all that are too many), and where
-- the last one that is allowed stands.
WITH wanted AS MATERIALIZED (
    SELECT e.event_id, e.event_type, e.entity_id, e.position,
           row_number() OVER (ORDER BY e.position) AS place
    FROM booking.event AS e
    WHERE e.brand_id = :brand_id
        AND e.position > :after_position::bigint
        AND e.position <= :through_position::bigint
        AND (:occurred_from::timestamptz IS NULL OR e.occurred_at >= :occurred_from)
        AND (:occurred_until::timestamptz IS NULL OR e.occurred_at < :occurred_until)
        AND (:event_types::text[] = '{*}' OR e.event_type = ANY (:event_types))
        AND NOT (:only_failed::boolean AND EXISTS (
            SELECT
            FROM booking.delivery AS d
            WHERE d.brand_id = :brand_id
                AND d.position = e.position
                AND d.endpoint_id = :endpoint_id
                AND d.status <> 'failed'))
    ORDER BY e.position
    LIMIT :deliveries_max::bigint + 1
), counted AS MATERIALIZED (
    SELECT count(*) AS event_count,
           max(position) FILTER (WHERE place <= :deliveries_max) AS last_allowed
    FROM wanted
), made AS (
    INSERT INTO booking.delivery (
        brand_id, endpoint_id, event_id, event_type, entity_id, position)
    SELECT :brand_id, :endpoint_id, event_id, event_type, entity_id, position
    FROM wanted
    WHERE (SELECT event_count FROM counted) <= :deliveries_max
    ORDER BY position
)
SELECT event_count, last_allowed, pg_notify(:channel, '') FROM counted;
