-- name: book_visit^
-- One statement, one transaction: lock the provider, look at the slot again behind the lock, insert
-- the visit unless the referee (visit_provider_no_overlap) objects, and write its event, audit and
-- idempotency rows. Answers one row; visit_id is null where nothing was booked, and the other
-- columns say why.
WITH wanted AS (
    SELECT slot_id, provider_no
    FROM booking.slot
    WHERE brand_id = :brand_id AND slot_id = :slot_id AND deleted_at IS NULL
), provider AS (
    SELECT p.provider_no, p.provider_id
    FROM booking.provider AS p
    JOIN wanted USING (provider_no)
    WHERE p.provider_id = coalesce(:provider_id::text, p.provider_id)
    FOR NO KEY UPDATE OF p
), offered AS (
    SELECT s.slot_id, s.starts_at, s.ends_at, provider.provider_no, provider.provider_id
    FROM provider
    JOIN booking.slot AS s ON s.slot_id = :slot_id AND s.deleted_at IS NULL
    FOR SHARE OF s
), patient AS (
    SELECT patient_id
    FROM booking.patient
    WHERE brand_id = :brand_id AND patient_id = :patient_id
), booked AS (
    INSERT INTO booking.visit (
        visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
        status, visit_type, reason, notes)
    SELECT :visit_id, :brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
           'booked', :visit_type, :reason, :notes
    FROM offered CROSS JOIN patient
    WHERE starts_at > booking.now()
    ON CONFLICT ON CONSTRAINT visit_provider_no_overlap DO NOTHING
    RETURNING *
), visit AS (
    SELECT visit_id, booked.brand_id, patient_id, provider_id, booked.slot_id, status, visit_type,
           reason, notes, cancelled_at, cancel_reason, created_at, updated_at, version,
           booked.starts_at, booked.ends_at
    FROM booked CROSS JOIN offered
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT :event_id, brand_id, 'booking.visit.created.v1', visit_id, version,
           jsonb_build_object(
               'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
               'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at),
               'slot_end', booking.rfc3339(ends_at), 'visit_type', visit_type,
               'created_at', booking.rfc3339(created_at))
    FROM visit
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT :actor_type, :actor_id, :actor_brand_id, 'visit.created', 'visit', visit_id, brand_id,
           :request_id, jsonb_build_object('slot_id', slot_id, 'status', status, 'version', version)
    FROM visit
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT brand_id, :caller, :route, :key, :fingerprint, 'done', to_jsonb(visit)
    FROM visit
    WHERE :key::text IS NOT NULL
)
SELECT EXISTS (SELECT FROM wanted) AS slot_found,
       EXISTS (SELECT FROM provider) AS provider_matches,
       EXISTS (SELECT FROM patient) AS patient_found,
       visit.*
FROM (SELECT 1) AS answer
LEFT JOIN visit ON true;

-- name: change_visit_status^
-- Cancel, check in, complete, mark as no-show: the visit in one of the statuses the change may start
-- from, or no row. The caller then reads the visit to say why.
WITH changed AS (
    UPDATE booking.visit AS v
    SET status = :to_status,
        version = v.version + 1,
        updated_at = booking.now(),
        cancelled_at = CASE WHEN :to_status = 'cancelled' THEN booking.now() END,
        cancel_reason = CASE WHEN :to_status = 'cancelled' THEN :cancel_reason END,
        notes = coalesce(:notes, v.notes)
    FROM booking.provider AS p
    WHERE p.provider_no = v.provider_no
        AND v.brand_id = :brand_id
        AND v.visit_id = :visit_id
        AND (:patient_id::text IS NULL OR v.patient_id = :patient_id)
        AND v.status = ANY (:from_statuses::text[])
        AND (:versions::integer[] IS NULL OR v.version = ANY (:versions))
        AND (NOT :once_begun::boolean OR v.starts_at <= booking.now())
    RETURNING v.*, p.provider_id
), visit AS (
    SELECT visit_id, brand_id, patient_id, provider_id, slot_id, status, visit_type,
           reason, notes, cancelled_at, cancel_reason, created_at, updated_at, version,
           starts_at, ends_at
    FROM changed
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT :event_id, brand_id, 'booking.visit.' || status || '.v1', visit_id, version,
           jsonb_build_object(
               'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
               'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at),
               status || '_at', booking.rfc3339(updated_at))
    FROM visit
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT :actor_type, :actor_id, :actor_brand_id, 'visit.' || status, 'visit', visit_id, brand_id,
           :request_id, jsonb_build_object('status', status, 'version', version)
    FROM visit
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT brand_id, :caller, :route, :key, :fingerprint, 'done', to_jsonb(visit)
    FROM visit
    WHERE :key::text IS NOT NULL
)
SELECT * FROM visit;

-- name: get_visit^
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.status, v.visit_type,
       v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at, v.updated_at, v.version,
       v.starts_at, v.ends_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
    AND v.visit_id = :visit_id
    AND (:patient_id::text IS NULL OR v.patient_id = :patient_id);

-- name: lock_visit^
-- The visit for a move, its row locked. The providers are locked first: see lock_providers_of_move.
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.status, v.visit_type,
       v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at, v.updated_at, v.version,
       v.starts_at, v.ends_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
    AND v.visit_id = :visit_id
    AND (:patient_id::text IS NULL OR v.patient_id = :patient_id)
FOR NO KEY UPDATE OF v;

-- name: lock_providers_of_move
-- The visit's provider and the new slot's, in one sorted statement, so that two moves across the
-- same two providers queue instead of deadlocking. A visit that is moved by somebody else in
-- between leaves one lock too many, never one too few: the new slot's provider is what counts.
SELECT provider_no
FROM booking.provider
WHERE provider_no IN (
    SELECT provider_no FROM booking.visit WHERE brand_id = :brand_id AND visit_id = :visit_id
    UNION ALL
    SELECT provider_no FROM booking.slot WHERE brand_id = :brand_id AND slot_id = :slot_id)
ORDER BY provider_no
FOR NO KEY UPDATE;

-- name: move_visit^
UPDATE booking.visit AS v
SET slot_id = s.slot_id,
    provider_no = s.provider_no,
    starts_at = s.starts_at,
    ends_at = s.ends_at,
    version = v.version + 1,
    updated_at = booking.now()
FROM booking.slot AS s
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
    AND v.visit_id = :visit_id
    AND s.brand_id = :brand_id
    AND s.slot_id = :slot_id
RETURNING v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.status, v.visit_type,
          v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at, v.updated_at, v.version,
          v.starts_at, v.ends_at;

-- name: list_visits_of_brand
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.status, v.visit_type,
       v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at, v.updated_at, v.version,
       v.starts_at, v.ends_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
    AND (v.starts_at, v.visit_id) < (:before_at::timestamptz, :before_id::text)
ORDER BY v.starts_at DESC, v.visit_id DESC
LIMIT :row_limit;

-- name: list_visits_of_patient
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id, v.status, v.visit_type,
       v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at, v.updated_at, v.version,
       v.starts_at, v.ends_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
WHERE v.brand_id = :brand_id
    AND v.patient_id = :patient_id
    AND (v.starts_at, v.visit_id) < (:before_at::timestamptz, :before_id::text)
ORDER BY v.starts_at DESC, v.visit_id DESC
LIMIT :row_limit;
