-- name: get_event_log^
SELECT last_position, kept_from FROM booking.event_log WHERE brand_id = :brand_id;

-- name: hold_event_log^
-- Waits for a sweep that is under way, and a sweep waits for this; numbering and this do not meet.
SELECT last_position, kept_from FROM booking.event_log WHERE brand_id = :brand_id FOR KEY SHARE;

-- name: read_events
-- On from a place in the log, which itself is in each row: what is gone and what is there are seen
-- at one instant. The reader gets as far as the last row, or `scan_max` places, or the log's end.
-- Without a place it begins with the oldest event that is kept.
SELECT l.last_position, l.kept_from, e.*
FROM booking.event_log AS l
LEFT JOIN LATERAL (
    SELECT event_id, event_type, entity_id, sequence, position, occurred_at, data
    FROM booking.event
    WHERE brand_id = :brand_id
        AND position > coalesce(:after::bigint, l.kept_from - 1)
        AND position <= least(
            coalesce(:after::bigint, l.kept_from - 1) + :scan_max::bigint, l.last_position)
        AND (:event_types::text[] IS NULL OR event_type = ANY (:event_types))
    ORDER BY position
    LIMIT :row_limit
) AS e ON true
WHERE l.brand_id = :brand_id
ORDER BY e.position;

-- name: read_events_of_entity
-- The same of one visit (slot, booking, …), to the end of the log.
SELECT l.last_position, l.kept_from, e.*
FROM booking.event_log AS l
LEFT JOIN LATERAL (
    SELECT event_id, event_type, entity_id, sequence, position, occurred_at, data
    FROM booking.event
    WHERE brand_id = :brand_id
        AND entity_id = :entity_id
        AND position > coalesce(:after::bigint, l.kept_from - 1)
        AND position <= l.last_position
        AND (:event_types::text[] IS NULL OR event_type = ANY (:event_types))
        AND (:patient_id::text IS NULL OR data->>'patient_id' = :patient_id)
    ORDER BY position
    LIMIT :row_limit
) AS e ON true
WHERE l.brand_id = :brand_id
ORDER BY e.position;

-- name: read_events_of_patient
-- The same of one patient: found through their visits and bookings, so that nobody else's are read.
SELECT l.last_position, l.kept_from, e.*
FROM booking.event_log AS l
LEFT JOIN LATERAL (
    SELECT event_id, event_type, entity_id, sequence, position, occurred_at, data
    FROM booking.event
    WHERE brand_id = :brand_id
        AND entity_id = ANY (ARRAY(
            SELECT visit_id FROM booking.visit
            WHERE brand_id = :brand_id AND patient_id = :patient_id
            UNION ALL
            SELECT booking_id FROM booking.office_hour_booking
            WHERE brand_id = :brand_id AND patient_id = :patient_id))
        AND position > coalesce(:after::bigint, l.kept_from - 1)
        AND position <= l.last_position
        AND (:event_types::text[] IS NULL OR event_type = ANY (:event_types))
        AND data->>'patient_id' = :patient_id
    ORDER BY position
    LIMIT :row_limit
) AS e ON true
WHERE l.brand_id = :brand_id
ORDER BY e.position;
