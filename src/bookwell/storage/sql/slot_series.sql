-- name: create_slots
-- Many times at once, of one provider or several, each with its event and audit row; answers the
-- new slots in the order asked. With only_new, a time that the provider ever offered the brand, even
-- one taken back, is left as it is; the caller then holds a lock, so that two who do the same do it
-- once. What is there is looked up slot by slot (OFFSET 0 keeps it so): in a database that just
-- begins to fill, the planner would read all slots instead, and keep to that while they grow.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest(
        :slot_ids::text[], :event_ids::text[], :provider_nos::bigint[], :provider_ids::text[],
        :starts_ats::timestamptz[], :ends_ats::timestamptz[]
    ) WITH ORDINALITY AS w (
        slot_id, event_id, provider_no, provider_id, starts_at, ends_at, position)
), created AS (
    INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
    SELECT w.slot_id, :brand_id, w.provider_no, w.starts_at, w.ends_at
    FROM wanted AS w
    WHERE NOT :only_new::boolean OR NOT (
        EXISTS (
            SELECT FROM booking.slot AS s
            WHERE s.provider_no = w.provider_no AND s.brand_id = :brand_id
                AND s.starts_at = w.starts_at AND s.ends_at = w.ends_at
                AND s.deleted_at IS NULL
            OFFSET 0)
        OR EXISTS (
            SELECT FROM booking.slot AS s
            WHERE s.provider_no = w.provider_no AND s.brand_id = :brand_id
                AND s.starts_at = w.starts_at AND s.ends_at = w.ends_at
                AND s.deleted_at IS NOT NULL
            OFFSET 0))
    ORDER BY w.position
    RETURNING slot_id, brand_id, created_at
), slot AS MATERIALIZED (
    SELECT w.*, created.brand_id, created.created_at
    FROM created
    JOIN wanted AS w USING (slot_id)
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT event_id, brand_id, 'booking.slot.created.v1', slot_id, 1,
           jsonb_build_object(
               'slot_id', slot_id, 'provider_id', provider_id, 'brand_id', brand_id,
               'slot_start', booking.rfc3339(starts_at), 'slot_end', booking.rfc3339(ends_at),
               'created_at', booking.rfc3339(created_at))
    FROM slot
    ORDER BY position
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id)
    SELECT :actor_type, :actor_id, :actor_brand_id, 'slot.created', 'slot', slot_id, brand_id,
           :request_id
    FROM slot
    ORDER BY position
), span AS (
    SELECT provider_no, tstzrange(min(starts_at), max(ends_at)) AS during
    FROM slot
    GROUP BY provider_no
), taken AS MATERIALIZED (
    -- A new slot may lie over time that is taken already, in whatever brand.
    SELECT provider_no, times
    FROM span
    CROSS JOIN LATERAL (
        SELECT range_agg(t.during) AS times
        FROM booking.taken_time AS t
        WHERE t.provider && int8range(provider_no, provider_no, '[]') AND t.during && span.during
    ) AS taken
)
SELECT slot_id, provider_id, brand_id, starts_at, ends_at,
       coalesce(taken.times && tstzrange(starts_at, ends_at), false) AS booked, created_at
FROM slot
LEFT JOIN taken USING (provider_no)
ORDER BY position;

-- name: find_clinicians
-- Those of these people who offer slots for the brand.
SELECT p.provider_id, p.provider_no
FROM booking.affiliation AS a
JOIN booking.provider AS p USING (provider_no)
WHERE a.brand_id = :brand_id
    AND p.provider_id = ANY (:provider_ids::text[])
    AND p.kind = 'clinician';
