-- name: list_webhook_queues
-- What waits for each of these endpoints, and when one of the newest was taken. Of what was taken,
-- only the newest hundred are looked at, because an endpoint has as many as there are events.
SELECT w.endpoint_id, waiting.pending_count,
       extract(epoch FROM booking.now() - waiting.since)::bigint AS oldest_pending_seconds,
       (SELECT max(newest.settled_at)
        FROM (SELECT d.settled_at
              FROM booking.delivery AS d
              WHERE d.brand_id = :brand_id
                  AND d.endpoint_id = w.endpoint_id
                  AND d.delivery_no > 0
                  AND d.status = 'delivered'
              ORDER BY d.delivery_no DESC
              LIMIT 100) AS newest) AS last_delivered_at
FROM booking.webhook_endpoint AS w
CROSS JOIN LATERAL (
    SELECT count(*) AS pending_count, min(d.created_at) AS since
    FROM booking.delivery AS d
    WHERE d.endpoint_id = w.endpoint_id AND d.status = 'pending') AS waiting
WHERE w.brand_id = :brand_id AND w.endpoint_id = ANY (:endpoint_ids::text[]);
