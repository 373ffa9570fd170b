-- name: list_past_holds
-- excused: a hold ends for every brand
-- Holds of these providers that are past their time, and that nobody has written down yet.
SELECT visit_id
FROM booking.visit
WHERE status = 'held'
    AND hold_expires_at <= booking.now()
    AND provider_no = ANY (:provider_nos::bigint[])
ORDER BY hold_expires_at;

-- name: lock_past_holds
-- excused: a hold ends for every brand
-- Holds of whatever provider that are past their time, the oldest first, with their providers
-- locked. It waits for nobody: whoever has a provider's lock may end the hold as well, and the next
-- sweep finds what is left.
SELECT v.visit_id
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.status = 'held' AND v.hold_expires_at <= booking.now()
ORDER BY v.hold_expires_at
LIMIT :row_limit
FOR NO KEY UPDATE OF p SKIP LOCKED;

-- name: expire_holds
-- excused: a hold ends for every brand
-- Writes down that these holds are past, behind their providers' locks; what was confirmed or
-- cancelled in time stays as it is. Answers the visits that expired.
WITH past AS (
    SELECT v.visit_id, v.provider_no, w.event_id
    FROM unnest(:visit_ids::text[], :event_ids::text[]) AS w (visit_id, event_id)
    JOIN booking.visit AS v USING (visit_id)
    WHERE v.status = 'held' AND v.hold_expires_at <= booking.now()
), provider AS MATERIALIZED (
    SELECT provider_no, provider_id
    FROM booking.provider
    WHERE provider_no IN (SELECT provider_no FROM past)
    ORDER BY provider_no
    FOR NO KEY UPDATE
), expired AS (
    UPDATE booking.visit AS v
    SET status = 'expired',
        hold_place = NULL,
        version = v.version + 1,
        updated_at = v.hold_expires_at
    FROM past
    JOIN provider USING (provider_no)
    WHERE v.visit_id = past.visit_id
        AND v.status = 'held'
        AND v.hold_expires_at <= booking.now()
    RETURNING v.visit_id, v.brand_id, v.patient_id, provider.provider_id, v.starts_at, v.version,
              v.hold_expires_at, past.event_id
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT event_id, brand_id, 'booking.visit.expired.v1', visit_id, version,
           jsonb_build_object(
               'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
               'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at),
               'expired_at', booking.rfc3339(hold_expires_at))
    FROM expired
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, event_type, entity_type, entity_id, brand_id, request_id, details)
    SELECT 'system', 'bookwell', 'visit.expired', 'visit', visit_id, brand_id, :request_id,
           jsonb_build_object('status', 'expired', 'version', version)
    FROM expired
)
SELECT visit_id FROM expired;
