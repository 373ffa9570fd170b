-- name: start_derivation!
-- The provider's first schedule for the brand.
INSERT INTO booking.derivation (brand_id, provider_no, due_at)
VALUES (:brand_id, :provider_no, booking.now())
ON CONFLICT ON CONSTRAINT derivation_once DO NOTHING;

-- name: next_due_derivation^
-- excused: whatever brand's is due first. Locks the provider, as everybody does who touches their
-- time; one whom somebody has locked is left for later, so any number of workers share the work.
SELECT d.brand_id, d.provider_no, p.provider_id
FROM booking.derivation AS d
JOIN booking.provider AS p USING (provider_no)
WHERE d.due_at <= booking.now()
ORDER BY d.due_at
LIMIT 1
FOR NO KEY UPDATE OF p SKIP LOCKED;

-- name: get_derivation^
SELECT derived_at, derived_until, zone_data, due_at, due_at <= booking.now() AS is_due
FROM booking.derivation
WHERE provider_no = :provider_no AND brand_id = :brand_id;

-- name: list_derivations
-- Those whose slots were made with other zone data than this; all where none is named.
SELECT p.provider_id
FROM booking.derivation AS d
JOIN booking.provider AS p USING (provider_no)
WHERE d.brand_id = :brand_id
    AND p.provider_id = coalesce(:provider_id::text, p.provider_id)
    AND (:zone_data::text IS NULL OR d.zone_data IS DISTINCT FROM :zone_data)
    AND p.provider_id > :after_id
ORDER BY p.provider_id
LIMIT :row_limit;

-- name: list_derived_slots
-- The slots that begin in [from_at, until_at), those posted by hand too, and those of a schedule that
-- a person took back, which stay away. Behind the provider's lock nobody takes one meanwhile; a visit
-- that ends just now still counts. The order makes the planner use the index by provider even for a
-- table that is empty when it plans, and the visits are an array, because it would join by another.
(SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id, s.visit_types, true AS is_live,
        s.slot_id = ANY (ARRAY(
            SELECT v.slot_id
            FROM booking.visit AS v
            WHERE v.provider_no = :provider_no AND v.brand_id = :brand_id
                AND v.status NOT IN ('cancelled', 'expired')
                AND v.status IN ('held', 'booked', 'checked_in')
                AND v.starts_at >= :from_at AND v.starts_at < :until_at
            ORDER BY v.starts_at)) AS is_taken,
        s.is_withdrawn
 FROM booking.slot AS s
 WHERE s.provider_no = :provider_no AND s.brand_id = :brand_id AND s.deleted_at IS NULL
     AND s.starts_at >= :from_at AND s.starts_at < :until_at
 ORDER BY s.starts_at, s.slot_id)
UNION ALL
(SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id, s.visit_types, false, false, false
 FROM booking.slot AS s
 WHERE s.provider_no = :provider_no AND s.brand_id = :brand_id AND s.rule_id IS NOT NULL
     AND s.deleted_at IS NOT NULL AND NOT s.is_withdrawn
     AND s.starts_at >= :from_at AND s.starts_at < :until_at
 ORDER BY s.starts_at);

-- name: write_derivation!
-- All that a derivation comes to but the new slots, which are copied in before. The visit types of a
-- slot come as PostgreSQL writes an array, because an array of arrays would need them all of one
-- length. Whoever found something due while we were at it (due_at is another than we saw) is looked
-- after next.
WITH withdrawn AS (
    UPDATE booking.slot
    SET deleted_at = booking.now(), is_withdrawn = true
    WHERE brand_id = :brand_id AND slot_id = ANY (:withdrawn_ids::text[])
), retyped AS (
    UPDATE booking.slot AS s
    SET rule_id = w.rule_id, visit_types = w.visit_types::text[], is_withdrawn = false
    FROM unnest(:retyped_ids::text[], :retyped_rules::text[], :retyped_types::text[])
        AS w (slot_id, rule_id, visit_types)
    WHERE s.brand_id = :brand_id AND s.slot_id = w.slot_id
), marked AS (
    UPDATE booking.slot
    SET is_withdrawn = NOT is_withdrawn
    WHERE brand_id = :brand_id AND slot_id = ANY (:marked_ids::text[])
)
UPDATE booking.derivation
SET derived_at = booking.now(),
    derived_until = :derived_until,
    zone_data = :zone_data,
    due_at = CASE WHEN due_at = :seen_due_at THEN booking.now() + :again_after::interval
                  ELSE due_at END
WHERE provider_no = :provider_no AND brand_id = :brand_id;

-- name: put_derivation_off!
-- After a failure, so that others come first.
UPDATE booking.derivation
SET due_at = booking.now() + :again_after::interval
WHERE provider_no = :provider_no AND brand_id = :brand_id AND due_at <= booking.now();

-- name: recall_freed_slots!
-- excused: of whatever brand. Withdrawn slots whose visits are gone make their providers' derivations
-- due, which take them back behind the provider's lock.
UPDATE booking.derivation AS d
SET due_at = booking.now()
FROM (
    SELECT d.provider_no, d.brand_id
    FROM booking.derivation AS d
    WHERE d.due_at > booking.now() AND EXISTS (
        SELECT FROM booking.slot AS s
        WHERE s.provider_no = d.provider_no AND s.brand_id = d.brand_id
            AND s.is_withdrawn AND s.deleted_at IS NULL
            AND s.starts_at > booking.now()
            AND NOT EXISTS (
                SELECT FROM booking.visit AS v
                WHERE v.provider_no = s.provider_no AND v.starts_at = s.starts_at
                    AND v.slot_id = s.slot_id
                    AND v.status NOT IN ('cancelled', 'expired')
                    AND v.status IN ('held', 'booked', 'checked_in')))
    ORDER BY d.provider_no, d.brand_id
    FOR NO KEY UPDATE SKIP LOCKED
) AS freed
WHERE d.provider_no = freed.provider_no AND d.brand_id = freed.brand_id;
