-- name: lock_feeds_of_owner$
-- An owner's feeds are made one after the other, so that they can be counted.
SELECT brand_id
FROM (SELECT :brand_id::text AS brand_id, :owner_kind::text AS kind, :owner_id::text AS id) AS owner,
     pg_advisory_xact_lock(
         hashtextextended('booking.calendar_feed ' || brand_id || ' ' || kind || ' ' || id, 0));

-- name: add_calendar_feed^
-- None where the owner has as many as they may.
INSERT INTO booking.calendar_feed (
    feed_id, brand_id, owner_kind, provider_no, patient_id, secret_hash)
SELECT :feed_id, :brand_id, :owner_kind, :provider_no::bigint, :patient_id::text, :secret_hash
WHERE (
    SELECT count(*)
    FROM booking.calendar_feed
    WHERE brand_id = :brand_id
        AND owner_kind = :owner_kind
        AND revoked_at IS NULL
        AND (provider_no = :provider_no::bigint OR patient_id = :patient_id::text)
) < :feeds_max
RETURNING feed_id, brand_id, created_at, rotated_at, revoked_at, version;

-- name: lock_calendar_feed^
SELECT f.feed_id, f.brand_id, f.owner_kind, coalesce(f.patient_id, p.provider_id) AS owner_id,
       f.created_at, f.rotated_at, f.revoked_at, f.version
FROM booking.calendar_feed AS f
LEFT JOIN booking.provider AS p USING (provider_no)
WHERE f.brand_id = :brand_id
    AND f.feed_id = :feed_id
    AND f.revoked_at IS NULL
    AND (:patient_id::text IS NULL OR f.patient_id = :patient_id)
FOR NO KEY UPDATE OF f;

-- name: rotate_calendar_feed^
UPDATE booking.calendar_feed
SET secret_hash = :secret_hash, rotated_at = booking.now(), version = version + 1
WHERE brand_id = :brand_id AND feed_id = :feed_id
RETURNING rotated_at, version;

-- name: revoke_calendar_feed^
UPDATE booking.calendar_feed
SET secret_hash = NULL, revoked_at = booking.now(), version = version + 1
WHERE brand_id = :brand_id AND feed_id = :feed_id
RETURNING revoked_at, version;

-- name: list_calendar_feeds
SELECT f.feed_id, f.brand_id, f.owner_kind, coalesce(f.patient_id, p.provider_id) AS owner_id,
       f.created_at, f.rotated_at, f.revoked_at, f.version
FROM booking.calendar_feed AS f
LEFT JOIN booking.provider AS p USING (provider_no)
WHERE f.brand_id = :brand_id
    AND f.revoked_at IS NULL
    AND f.feed_id > :after_id
    AND (:owner_kind::text IS NULL
         OR (f.owner_kind = :owner_kind AND coalesce(f.patient_id, p.provider_id) = :owner_id))
ORDER BY f.feed_id
LIMIT :row_limit;

-- name: find_calendar_feed^
-- excused: the address says which brand
SELECT f.brand_id, b.name AS brand_name, f.owner_kind, f.provider_no, f.patient_id
FROM booking.calendar_feed AS f
JOIN booking.brand AS b USING (brand_id)
WHERE f.secret_hash = :secret_hash;

-- name: list_entries_of_provider$
-- A provider's visits for one brand. Not a word of them is read: what is not here cannot be told.
-- In two halves, because each has an index of its own; as one piece of JSON, as list_visits_of_brand.
SELECT coalesce(json_agg(entry ORDER BY starts_at, entry_id), '[]')
FROM (
    SELECT *
    FROM (
        SELECT visit_id AS entry_id, 'visit' AS kind, starts_at, ends_at, status,
               version - 1 AS sequence, created_at, updated_at
        FROM booking.visit
        WHERE brand_id = :brand_id
            AND provider_no = :provider_no
            AND starts_at >= booking.now() - :back::interval
            AND starts_at < booking.now() + :ahead::interval
            AND status NOT IN ('cancelled', 'expired')
            AND status <> 'held'
        UNION ALL
        SELECT visit_id, 'visit', starts_at, ends_at, status, version - 1, created_at, updated_at
        FROM booking.visit
        WHERE brand_id = :brand_id
            AND provider_no = :provider_no
            AND starts_at >= booking.now() - :back::interval
            AND starts_at < booking.now() + :ahead::interval
            AND status = 'cancelled'
    ) AS half
    ORDER BY starts_at DESC, entry_id DESC
    LIMIT :row_limit
) AS entry;

-- name: list_entries_of_coach$
-- A coach's sessions for one brand in which somebody sits or sat. Bookings are never deleted and each
-- change counts its version up, so the sum of the versions rises with every change of a session.
SELECT coalesce(json_agg(entry ORDER BY starts_at, entry_id), '[]')
FROM (
    SELECT s.office_hour_id || '-' || to_char(s.starts_at AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS"Z"')
               AS entry_id,
           'session' AS kind, s.starts_at, s.ends_at,
           CASE WHEN s.seats_taken > 0 THEN 'booked' ELSE 'cancelled' END AS status,
           seats.sequence, seats.created_at, seats.updated_at, s.seats_taken, s.capacity
    FROM booking.office_hour_session AS s
    CROSS JOIN LATERAL (
        SELECT sum(version) - 1 AS sequence, min(created_at) AS created_at,
               max(updated_at) AS updated_at
        FROM booking.office_hour_booking AS b
        WHERE b.office_hour_id = s.office_hour_id AND b.slot_at = s.starts_at
        HAVING count(*) > 0
    ) AS seats
    WHERE s.brand_id = :brand_id
        AND s.provider_no = :provider_no
        AND s.starts_at >= booking.now() - :back::interval
        AND s.starts_at < booking.now() + :ahead::interval
    ORDER BY s.starts_at DESC, s.office_hour_id DESC
    LIMIT :row_limit
) AS entry;

-- name: list_entries_of_patient$
-- A patient's visits and their seats in office hours.
SELECT coalesce(json_agg(entry ORDER BY starts_at, entry_id), '[]')
FROM (
    SELECT *
    FROM (
        SELECT visit_id AS entry_id, 'visit' AS kind, starts_at, ends_at, status,
               version - 1 AS sequence, created_at, updated_at
        FROM booking.visit
        WHERE brand_id = :brand_id
            AND patient_id = :patient_id
            AND starts_at >= booking.now() - :back::interval
            AND starts_at < booking.now() + :ahead::interval
            AND status NOT IN ('held', 'expired')
        UNION ALL
        SELECT booking_id, 'seat', slot_at, slot_at + make_interval(mins => duration_minutes), status,
               version - 1, created_at, updated_at
        FROM booking.office_hour_booking
        WHERE brand_id = :brand_id
            AND patient_id = :patient_id
            AND slot_at >= booking.now() - :back::interval
            AND slot_at < booking.now() + :ahead::interval
    ) AS half
    ORDER BY starts_at DESC, entry_id DESC
    LIMIT :row_limit
) AS entry;
