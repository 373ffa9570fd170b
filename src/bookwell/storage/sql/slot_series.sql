-- name: create_slots$
-- Many times of one provider at once, each with its event and audit row; answers how many were new.
-- A time that the provider ever offered the brand, even one taken back, is left as it is. The caller
-- holds the provider's lock, so that two who do the same do it once.
WITH wanted AS (
    SELECT *
    FROM unnest(:slot_ids::text[], :event_ids::text[], :starts_at::timestamptz[], :ends_at::timestamptz[])
        AS w (slot_id, event_id, starts_at, ends_at)
), created AS (
    INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at)
    SELECT slot_id, :brand_id, :provider_no, starts_at, ends_at
    FROM wanted AS w
    WHERE NOT EXISTS (
        SELECT FROM booking.slot AS s
        WHERE s.provider_no = :provider_no
            AND s.brand_id = :brand_id
            AND s.starts_at = w.starts_at
            AND s.ends_at = w.ends_at)
    ORDER BY starts_at
    RETURNING slot_id, brand_id, starts_at, ends_at, created_at
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT event_id, brand_id, 'booking.slot.created.v1', slot_id, 1,
           jsonb_build_object(
               'slot_id', slot_id, 'provider_id', :provider_id::text, 'brand_id', brand_id,
               'slot_start', booking.rfc3339(created.starts_at),
               'slot_end', booking.rfc3339(created.ends_at),
               'created_at', booking.rfc3339(created_at))
    FROM created
    JOIN wanted USING (slot_id)
    ORDER BY created.starts_at
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id)
    SELECT :actor_type, :actor_id, :actor_brand_id, 'slot.created', 'slot', slot_id, brand_id,
           :request_id
    FROM created
    ORDER BY starts_at
)
SELECT count(*) FROM created;
