-- name: measure_log
-- Each brand's log: how far it goes, how many events wait for their place, and for how long.
SELECT b.brand_id, coalesce(log.last_position, 0) AS last_position,
       coalesce(waiting.events, 0) AS unnumbered,
       coalesce(extract(epoch FROM booking.now() - waiting.since), 0)::float8 AS lag_seconds
FROM booking.brand AS b
LEFT JOIN booking.event_log AS log ON log.brand_id = b.brand_id
LEFT JOIN (
    SELECT brand_id, count(*) AS events, min(occurred_at) AS since
    FROM booking.event
    WHERE position IS NULL
    GROUP BY brand_id) AS waiting ON waiting.brand_id = b.brand_id
WHERE :brand_id::text IS NULL OR b.brand_id = :brand_id
ORDER BY b.brand_id;

-- name: measure_deliveries
-- Each endpoint's queue: what waits, since when, and whether anything is sent there at all.
SELECT w.brand_id, w.endpoint_id, w.disabled_at IS NOT NULL AS is_disabled,
       w.failing_since IS NOT NULL AS is_failing,
       queue.deliveries AS pending,
       coalesce(extract(epoch FROM booking.now() - queue.since), 0)::float8 AS oldest_seconds
FROM booking.webhook_endpoint AS w
CROSS JOIN LATERAL (
    SELECT count(*) AS deliveries, min(d.created_at) AS since
    FROM booking.delivery AS d
    WHERE d.endpoint_id = w.endpoint_id AND d.status = 'pending') AS queue
WHERE (:brand_id::text IS NULL OR w.brand_id = :brand_id) AND w.deleted_at IS NULL
ORDER BY w.brand_id, w.endpoint_id;

-- name: measure_attempts
SELECT brand_id, endpoint_id, outcome, attempt_count
FROM booking.delivery_count
WHERE :brand_id::text IS NULL OR brand_id = :brand_id
ORDER BY brand_id, endpoint_id, outcome;
