-- name: open_bookmarks!
-- excused: every brand's events are published
INSERT INTO booking.bus_bookmark (brand_id)
SELECT brand_id FROM booking.event_log AS l
WHERE NOT EXISTS (SELECT FROM booking.bus_bookmark AS b WHERE b.brand_id = l.brand_id)
ON CONFLICT ON CONSTRAINT bus_bookmark_once DO NOTHING;

-- name: claim_bookmarks
-- What is behind its log and in nobody's hands but this publisher's. PostgreSQL's own clock counts
-- here: a lease is about machines, and no test turns it.
-- excused: every brand's events are published
UPDATE booking.bus_bookmark AS b
SET leased_by = :publisher, leased_until = clock_timestamp() + :length::interval
FROM (
    SELECT brand_id
    FROM booking.bus_bookmark AS free
    JOIN booking.event_log AS l USING (brand_id)
    WHERE free.position < l.last_position
        AND free.brand_id <> ALL (:set_aside::text[])
        AND (free.leased_by = :publisher OR free.leased_until IS NULL
            OR free.leased_until < clock_timestamp())
    ORDER BY free.leased_until NULLS FIRST
    LIMIT :row_limit
    FOR UPDATE OF free SKIP LOCKED
) AS claimed
WHERE b.brand_id = claimed.brand_id
RETURNING b.brand_id, b.position;

-- name: move_bookmark$
-- Only by who has it; whoever lost it while it was asleep finds no row.
UPDATE booking.bus_bookmark
SET position = :position, leased_until = clock_timestamp() + :length::interval
WHERE brand_id = :brand_id AND leased_by = :publisher AND position < :position
RETURNING position;

-- name: release_bookmarks!
-- excused: one publisher has those of many brands
UPDATE booking.bus_bookmark
SET leased_by = NULL, leased_until = NULL
WHERE leased_by = :publisher;

-- name: list_waiting_brands
-- excused: every brand's events are published
SELECT l.brand_id
FROM booking.event_log AS l
LEFT JOIN booking.bus_bookmark AS b USING (brand_id)
WHERE l.last_position > coalesce(b.position, 0)
ORDER BY l.brand_id;

-- name: list_bus_lags
-- Of one brand, or of all. Where no bus was ever configured there are no bookmarks, and no lags.
SELECT l.brand_id,
       l.last_position - coalesce(b.position, 0) AS events_behind,
       greatest(extract(epoch FROM booking.now() - oldest.occurred_at), 0)::float AS seconds_behind
FROM booking.event_log AS l
LEFT JOIN booking.bus_bookmark AS b ON b.brand_id = l.brand_id
LEFT JOIN LATERAL (
    SELECT occurred_at
    FROM booking.event AS e
    WHERE e.brand_id = l.brand_id AND e.position > coalesce(b.position, 0)
    ORDER BY e.position
    LIMIT 1
) AS oldest ON true
WHERE (:brand_id::text IS NULL OR l.brand_id = :brand_id)
    AND EXISTS (SELECT FROM booking.bus_bookmark)
ORDER BY l.brand_id;
