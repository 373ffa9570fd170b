-- name: get_slot^
SELECT s.slot_id, p.provider_id, s.brand_id, s.starts_at, s.ends_at,
       EXISTS (
           SELECT FROM booking.taken_time AS t
           WHERE t.provider && int8range(s.provider_no, s.provider_no, '[]')
               AND t.during && tstzrange(s.starts_at, s.ends_at)
       ) AS booked,
       s.created_at, s.rule_id
FROM booking.slot AS s
JOIN booking.provider AS p USING (provider_no)
WHERE s.brand_id = :brand_id
    AND s.slot_id = :slot_id
    AND p.provider_id = coalesce(:provider_id::text, p.provider_id)
    AND s.deleted_at IS NULL;

-- name: list_slots$
-- The page as one piece of JSON, as list_visits_of_brand; no row if the provider is no clinician of
-- the brand. The taken times of the whole page are looked up once and held against each slot in
-- memory. Only where free or booked ones are wanted, the page may have to come out of more slots
-- than it has.
WITH provider AS MATERIALIZED (
    SELECT p.provider_no, p.provider_id
    FROM booking.affiliation AS a
    JOIN booking.provider AS p USING (provider_no)
    WHERE a.brand_id = :brand_id AND p.provider_id = :provider_id AND p.kind = 'clinician'
), offered AS MATERIALIZED (
    SELECT s.slot_id, s.brand_id, s.starts_at, s.ends_at, s.created_at, s.rule_id
    FROM booking.slot AS s
    WHERE s.brand_id = :brand_id
        AND s.provider_no = (SELECT provider_no FROM provider)
        AND s.deleted_at IS NULL
        AND s.starts_at >= :from_at
        AND s.starts_at < :until_at
        AND (s.starts_at, s.slot_id) > (:after_at::timestamptz, :after_id::text)
    ORDER BY s.starts_at, s.slot_id
    LIMIT CASE WHEN :booked::boolean IS NULL THEN :row_limit::bigint END
), taken AS MATERIALIZED (
    SELECT coalesce(range_agg(t.during), '{}') AS times
    FROM booking.taken_time AS t
    WHERE t.provider && (SELECT int8range(provider_no, provider_no, '[]') FROM provider)
        AND t.during && (
            SELECT tstzrange(min(starts_at), max(ends_at)) FROM offered HAVING count(*) > 0)
), page AS (
    SELECT slot_id, provider_id, brand_id, starts_at, ends_at,
           times && tstzrange(starts_at, ends_at) AS booked, created_at, rule_id
    FROM provider CROSS JOIN taken CROSS JOIN offered
    WHERE :booked IS NULL OR times && tstzrange(starts_at, ends_at) = :booked
    ORDER BY starts_at, slot_id
    LIMIT :row_limit
)
SELECT (SELECT coalesce(json_agg(page ORDER BY starts_at, slot_id), '[]') FROM page)
FROM provider;

-- name: delete_slot
-- By a person, so no schedule brings it back, not even one that was about to withdraw it.
UPDATE booking.slot
SET deleted_at = booking.now(), is_withdrawn = false
WHERE brand_id = :brand_id AND slot_id = :slot_id AND deleted_at IS NULL
RETURNING slot_id;
