-- name: list_proven_visits
-- Every visit of the brand as its row stands.
SELECT v.visit_id, p.provider_id, v.slot_id, v.patient_id, v.status, v.version, v.starts_at, v.ends_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
ORDER BY v.visit_id;

-- name: list_overlapping_visits
-- Pairs of visits that take the same provider's time at once: one of the brand, and any other's.
-- Compared row by row, so that no index and no constraint is believed.
SELECT v.visit_id AS first_id, w.visit_id AS second_id
FROM booking.visit AS v
JOIN booking.visit AS w
    ON w.provider_no + 0 = v.provider_no
    AND w.starts_at < v.ends_at
    AND v.starts_at < w.ends_at
    AND (w.brand_id <> v.brand_id OR w.visit_id > v.visit_id)
WHERE v.brand_id = :brand_id
    AND v.status IN ('held', 'booked', 'checked_in')
    AND w.status IN ('held', 'booked', 'checked_in')
ORDER BY v.visit_id, w.visit_id;

-- name: list_proven_seats
SELECT b.booking_id, p.provider_id AS coach_id, b.slot_at, b.patient_id, b.status, b.version
FROM booking.office_hour_booking AS b
JOIN booking.office_hour AS o USING (office_hour_id)
JOIN booking.provider AS p USING (provider_no)
WHERE b.brand_id = :brand_id
ORDER BY b.booking_id;

-- name: list_proven_sessions
SELECT p.provider_id AS coach_id, s.starts_at AS slot_at, s.capacity, s.seats_taken
FROM booking.office_hour_session AS s
JOIN booking.provider AS p USING (provider_no)
WHERE s.brand_id = :brand_id
ORDER BY s.starts_at;

-- name: list_proven_journal
-- For each visit and seat of the brand how many events and audit rows tell of it, and whether the
-- events are numbered from 1 without a gap.
WITH events AS (
    SELECT entity_id, count(*) AS events, min(sequence) = 1 AND max(sequence) = count(*) AS is_whole
    FROM booking.event
    WHERE brand_id = :brand_id
    GROUP BY entity_id
), audits AS (
    SELECT entity_id, count(*) AS audits
    FROM booking.audit
    WHERE brand_id = :brand_id AND entity_type IN ('visit', 'office_hour_booking')
    GROUP BY entity_id
), entities AS (
    SELECT visit_id AS entity_id, version FROM booking.visit WHERE brand_id = :brand_id
    UNION ALL
    SELECT booking_id, version FROM booking.office_hour_booking WHERE brand_id = :brand_id
)
SELECT entity_id, version, coalesce(events, 0) AS events, coalesce(audits, 0) AS audits,
       coalesce(is_whole, false) AS is_whole
FROM entities
LEFT JOIN events USING (entity_id)
LEFT JOIN audits USING (entity_id)
ORDER BY entity_id;

-- name: list_proven_events
-- Every event of the brand as its row stands.
SELECT event_id, event_type, brand_id, entity_id, sequence, position, occurred_at, data
FROM booking.event
WHERE brand_id = :brand_id
ORDER BY event_no;

-- name: count_proven_events
-- How many events of each type the brand has, and how many deliveries are still to be made.
SELECT event_type, count(*) AS event_count,
       (SELECT count(*) FROM booking.delivery WHERE brand_id = :brand_id AND status = 'pending')
           AS pending_count
FROM booking.event
WHERE brand_id = :brand_id
GROUP BY event_type;
