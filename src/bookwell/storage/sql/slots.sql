-- name: create_slot^
INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
VALUES (:slot_id, :brand_id, :provider_no, :starts_at, :ends_at)
RETURNING slot_id, :provider_id::text AS provider_id, brand_id, starts_at, ends_at,
          -- a new slot may lie over time that is taken already, in whatever brand
          EXISTS (
              SELECT FROM booking.visit AS v
              WHERE int8range(v.provider_no, v.provider_no, '[]') && int8range(:provider_no, :provider_no, '[]')
                  AND tstzrange(v.starts_at, v.ends_at) && tstzrange(:starts_at, :ends_at)
                  AND v.status IN ('held', 'booked', 'checked_in')
          ) AS booked,
          created_at;

-- name: get_slot^
SELECT s.slot_id, p.provider_id, s.brand_id, s.starts_at, s.ends_at,
       EXISTS (
           SELECT FROM booking.visit AS v
           WHERE int8range(v.provider_no, v.provider_no, '[]') && int8range(s.provider_no, s.provider_no, '[]')
               AND tstzrange(v.starts_at, v.ends_at) && tstzrange(s.starts_at, s.ends_at)
               AND v.status IN ('held', 'booked', 'checked_in')
       ) AS booked,
       s.created_at
FROM booking.slot AS s
JOIN booking.provider AS p USING (provider_no)
WHERE s.brand_id = :brand_id
    AND s.slot_id = :slot_id
    AND p.provider_id = coalesce(:provider_id::text, p.provider_id)
    AND s.deleted_at IS NULL;

-- name: list_slots
SELECT s.slot_id, :provider_id::text AS provider_id, s.brand_id, s.starts_at, s.ends_at,
       taken.booked, s.created_at
FROM booking.slot AS s
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM booking.visit AS v
        WHERE int8range(v.provider_no, v.provider_no, '[]') && int8range(s.provider_no, s.provider_no, '[]')
            AND tstzrange(v.starts_at, v.ends_at) && tstzrange(s.starts_at, s.ends_at)
            AND v.status IN ('held', 'booked', 'checked_in')) AS booked
) AS taken
WHERE s.brand_id = :brand_id
    AND s.provider_no = :provider_no
    AND s.deleted_at IS NULL
    AND s.starts_at >= :from_at
    AND s.starts_at < :until_at
    AND (s.starts_at, s.slot_id) > (:after_at::timestamptz, :after_id::text)
    AND (:booked::boolean IS NULL OR taken.booked = :booked)
ORDER BY s.starts_at, s.slot_id
LIMIT :row_limit;

-- name: delete_slot
UPDATE booking.slot
SET deleted_at = booking.now()
WHERE brand_id = :brand_id AND slot_id = :slot_id AND deleted_at IS NULL
RETURNING slot_id;
