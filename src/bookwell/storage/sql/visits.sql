-- name: change_visit_status^
-- Confirm, cancel, check in, complete, mark as no-show: the visit after the change, or no row where it
-- is not in one of the statuses the change may start from, is a hold past its time, or its terms or
-- the booking rules do not allow it. The caller then reads the visit to say why. With is_judged the
-- caller has judged the rules, and override is what the audit says of those that were overruled; a
-- visit that is confirmed as another type than it was held as comes with the terms it then has, and
-- the time they take. Behind the provider's lock as everything that touches the
-- provider's time: a visit that goes on taking it is compared with all others again.
WITH provider AS (
    SELECT provider_no, provider_id
    FROM booking.provider
    WHERE provider_no = (
        SELECT provider_no FROM booking.visit WHERE brand_id = :brand_id AND visit_id = :visit_id)
    FOR NO KEY UPDATE
), locked AS MATERIALIZED (
    -- What the clock says behind the lock: a hold may have run out while this waited for it, and
    -- readers say so already.
    SELECT *, pg_catalog.clock_timestamp() + (booking.now() - pg_catalog.now()) AS locked_at
    FROM provider
), changed AS (
    UPDATE booking.visit AS v
    SET status = :to_status,
        version = v.version + 1,
        updated_at = booking.now(),
        cancelled_at = CASE WHEN :to_status = 'cancelled' THEN booking.now() END,
        cancel_reason = CASE WHEN :to_status = 'cancelled' THEN :cancel_reason END,
        cancelled_late = CASE WHEN :to_status = 'cancelled' AND v.status = 'booked' THEN (
            SELECT t.cancel_late_minutes > 0
                AND booking.now() >= v.starts_at - make_interval(mins => t.cancel_late_minutes)
            FROM booking.terms AS t
            WHERE t.terms_no = v.terms_no) END,
        visit_type = coalesce(:visit_type, v.visit_type),
        terms_no = coalesce(:terms_no::bigint, v.terms_no),
        taken_from = CASE WHEN :terms_no IS NULL THEN v.taken_from ELSE :taken_from::timestamptz END,
        taken_until = CASE WHEN :terms_no IS NULL THEN v.taken_until
                           ELSE :taken_until::timestamptz END,
        reason = coalesce(:reason, v.reason),
        notes = coalesce(:notes, v.notes),
        hold_expires_at = NULL,
        hold_place = NULL
    FROM locked AS p
    WHERE p.provider_no = v.provider_no
        AND v.brand_id = :brand_id
        AND v.visit_id = :visit_id
        AND (:patient_id::text IS NULL OR v.patient_id = :patient_id)
        AND (:slot_id::text IS NULL OR v.slot_id = :slot_id)
        AND (:provider_id::text IS NULL OR p.provider_id = :provider_id)
        AND v.status = ANY (:from_statuses::text[])
        AND (v.status <> 'held' OR v.hold_expires_at > p.locked_at)
        AND (:versions::integer[] IS NULL OR v.version = ANY (:versions))
        AND (NOT :once_begun::boolean OR v.starts_at <= booking.now())
        AND (:is_judged::boolean OR CASE :to_status
            WHEN 'cancelled' THEN v.terms_no IS NULL OR v.status = 'held' OR (
                SELECT t.cancel_cutoff_minutes = 0
                    OR booking.now() < v.starts_at - make_interval(mins => t.cancel_cutoff_minutes)
                FROM booking.terms AS t
                WHERE t.terms_no = v.terms_no)
            WHEN 'booked' THEN CASE WHEN v.terms_no IS NULL
                THEN NOT EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id)
                ELSE coalesce(:visit_type, v.visit_type) = v.visit_type
                    AND booking.broken_by_confirming(v, :by_patient::boolean) = '{}' END
            ELSE true END)
    RETURNING v.*, p.provider_id
), visit AS (
    SELECT visit_id, brand_id, patient_id, provider_id, slot_id, status, visit_type,
           reason, notes, cancelled_at, cancel_reason, created_at, updated_at, version,
           starts_at, ends_at, hold_expires_at, cancelled_late
    FROM changed
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT :event_id, brand_id, :event_type, visit_id, version,
           jsonb_build_object(
               'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
               'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at))
           || CASE status
              WHEN 'booked' THEN jsonb_build_object(
                  'slot_end', booking.rfc3339(ends_at), 'visit_type', visit_type,
                  'created_at', booking.rfc3339(updated_at))
              ELSE jsonb_build_object(status || '_at', booking.rfc3339(updated_at)) END
    FROM visit
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT :actor_type, :actor_id, :actor_brand_id, :audit_type, 'visit', visit_id, brand_id,
           :request_id,
           jsonb_build_object('status', status, 'version', version)
           || CASE WHEN cancelled_late IS NULL THEN '{}'
                   ELSE jsonb_build_object('late', cancelled_late) END
           || CASE WHEN :override::text IS NULL THEN '{}'
                   ELSE jsonb_build_object('override', :override::jsonb) END
    FROM visit
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT brand_id, :caller, :route, :key, :fingerprint, 'done', to_jsonb(visit)
    FROM visit
    WHERE :key::text IS NOT NULL
)
SELECT * FROM visit;

-- name: change_visit_statuses
-- Many of change_visit_status in one transaction; answers those that changed, with their positions.
-- It waits for nobody: a provider whom somebody else has locked is left out, and so is a key that was
-- used already. The caller never gives the same visit or the same key twice, and sends what was left
-- out through the one-row statement. It looks up row by row (OFFSET 0, and the ids once more), so
-- that no plan reads a table whole, whatever the planner believed of its size.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(:changes::jsonb) AS w (
        position integer, visit_id text, event_id text, brand_id text, patient_id text,
        slot_id text, provider_id text, to_status text, from_statuses text[], versions integer[],
        once_begun boolean, cancel_reason text, visit_type text, reason text, notes text,
        by_patient boolean, is_judged boolean, override text, terms_no bigint,
        taken_from timestamptz, taken_until timestamptz,
        event_type text, audit_type text, actor_type text, actor_id text, actor_brand_id text,
        request_id text, caller text, route text, key text, fingerprint text)
    WHERE NOT EXISTS (
        SELECT FROM booking.idempotency AS i
        WHERE i.key = w.key AND i.caller = w.caller AND i.route = w.route
            AND i.brand_id = w.brand_id
        OFFSET 0)
), provider AS MATERIALIZED (
    SELECT provider_no, provider_id
    FROM booking.provider
    WHERE provider_no = ANY (ARRAY(
        SELECT (
            SELECT v.provider_no
            FROM booking.visit AS v
            WHERE v.brand_id = wanted.brand_id AND v.visit_id = wanted.visit_id)
        FROM wanted))
    ORDER BY provider_no
    FOR NO KEY UPDATE SKIP LOCKED
), locked AS MATERIALIZED (
    -- As in change_visit_status.
    SELECT *, pg_catalog.clock_timestamp() + (booking.now() - pg_catalog.now()) AS locked_at
    FROM provider
), changed AS (
    UPDATE booking.visit AS v
    SET status = w.to_status,
        version = v.version + 1,
        updated_at = booking.now(),
        cancelled_at = CASE WHEN w.to_status = 'cancelled' THEN booking.now() END,
        cancel_reason = CASE WHEN w.to_status = 'cancelled' THEN w.cancel_reason END,
        cancelled_late = CASE WHEN w.to_status = 'cancelled' AND v.status = 'booked' THEN (
            SELECT t.cancel_late_minutes > 0
                AND booking.now() >= v.starts_at - make_interval(mins => t.cancel_late_minutes)
            FROM booking.terms AS t
            WHERE t.terms_no = v.terms_no) END,
        visit_type = coalesce(w.visit_type, v.visit_type),
        terms_no = coalesce(w.terms_no, v.terms_no),
        taken_from = CASE WHEN w.terms_no IS NULL THEN v.taken_from ELSE w.taken_from END,
        taken_until = CASE WHEN w.terms_no IS NULL THEN v.taken_until ELSE w.taken_until END,
        reason = coalesce(w.reason, v.reason),
        notes = coalesce(w.notes, v.notes),
        hold_expires_at = NULL,
        hold_place = NULL
    FROM wanted AS w CROSS JOIN locked AS p
    WHERE v.visit_id = w.visit_id
        AND v.visit_id = ANY (ARRAY(SELECT visit_id FROM wanted))
        AND v.provider_no = p.provider_no
        AND v.brand_id = w.brand_id
        AND (w.patient_id IS NULL OR v.patient_id = w.patient_id)
        AND (w.slot_id IS NULL OR v.slot_id = w.slot_id)
        AND (w.provider_id IS NULL OR p.provider_id = w.provider_id)
        AND v.status = ANY (w.from_statuses)
        AND (v.status <> 'held' OR v.hold_expires_at > p.locked_at)
        AND (w.versions IS NULL OR v.version = ANY (w.versions))
        AND (NOT w.once_begun OR v.starts_at <= booking.now())
        AND (w.is_judged OR CASE w.to_status
            WHEN 'cancelled' THEN v.terms_no IS NULL OR v.status = 'held' OR (
                SELECT t.cancel_cutoff_minutes = 0
                    OR booking.now() < v.starts_at - make_interval(mins => t.cancel_cutoff_minutes)
                FROM booking.terms AS t
                WHERE t.terms_no = v.terms_no)
            WHEN 'booked' THEN CASE WHEN v.terms_no IS NULL
                THEN (SELECT true FROM booking.visit_type WHERE brand_id = w.brand_id LIMIT 1) IS NULL
                ELSE coalesce(w.visit_type, v.visit_type) = v.visit_type
                    AND booking.broken_by_confirming(v, w.by_patient) = '{}' END
            ELSE true END)
    RETURNING v.*, p.provider_id, w.position
), visit AS (
    SELECT position, visit_id, brand_id, patient_id, provider_id, slot_id, status, visit_type,
           reason, notes, cancelled_at, cancel_reason, created_at, updated_at, version,
           starts_at, ends_at, hold_expires_at, cancelled_late
    FROM changed
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT w.event_id, v.brand_id, w.event_type, v.visit_id, v.version,
           jsonb_build_object(
               'visit_id', v.visit_id, 'patient_id', v.patient_id, 'provider_id', v.provider_id,
               'brand_id', v.brand_id, 'slot_start', booking.rfc3339(v.starts_at))
           || CASE v.status
              WHEN 'booked' THEN jsonb_build_object(
                  'slot_end', booking.rfc3339(v.ends_at), 'visit_type', v.visit_type,
                  'created_at', booking.rfc3339(v.updated_at))
              ELSE jsonb_build_object(v.status || '_at', booking.rfc3339(v.updated_at)) END
    FROM visit AS v
    JOIN wanted AS w USING (position)
    ORDER BY position
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT w.actor_type, w.actor_id, w.actor_brand_id, w.audit_type, 'visit', v.visit_id,
           v.brand_id, w.request_id,
           jsonb_build_object('status', v.status, 'version', v.version)
           || CASE WHEN v.cancelled_late IS NULL THEN '{}'
                   ELSE jsonb_build_object('late', v.cancelled_late) END
           || CASE WHEN w.override IS NULL THEN '{}'
                   ELSE jsonb_build_object('override', w.override::jsonb) END
    FROM visit AS v
    JOIN wanted AS w USING (position)
    ORDER BY position
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT v.brand_id, w.caller, w.route, w.key,
           decode(w.fingerprint, 'base64'), 'done', to_jsonb(v) - 'position'
    FROM visit AS v
    JOIN wanted AS w USING (position)
    WHERE w.key IS NOT NULL
    ORDER BY w.key, w.caller, w.route, w.brand_id
)
SELECT * FROM visit;

-- name: get_visit^
SELECT *
FROM booking.visit_seen
WHERE brand_id = :brand_id
    AND visit_id = :visit_id
    AND (:patient_id::text IS NULL OR patient_id = :patient_id)
    AND (:slot_id::text IS NULL OR slot_id = :slot_id)
    AND (:provider_id::text IS NULL OR provider_id = :provider_id);

-- name: look_at_visit^
-- The visit with the terms it was booked under, where it has any, and what time it is: all that says
-- what may become of it.
SELECT seen.*, booking.now() AS now, t.terms_no, to_jsonb(t) AS terms
FROM booking.visit_seen AS seen
JOIN booking.visit AS v USING (visit_id)
LEFT JOIN booking.terms AS t ON t.terms_no = v.terms_no
WHERE seen.brand_id = :brand_id
    AND seen.visit_id = :visit_id
    AND (:patient_id::text IS NULL OR seen.patient_id = :patient_id)
    AND (:slot_id::text IS NULL OR seen.slot_id = :slot_id)
    AND (:provider_id::text IS NULL OR seen.provider_id = :provider_id);

-- name: lock_visit^
-- The providers are locked first: see lock_providers_of_visit.
SELECT visit_id
FROM booking.visit
WHERE brand_id = :brand_id AND visit_id = :visit_id
FOR NO KEY UPDATE;

-- name: lock_providers_of_visit
-- The visit's provider and, for a move, the new slot's, in one sorted statement, so that two moves across the
-- same two providers queue instead of deadlocking. A visit that is moved by somebody else in
-- between leaves one lock too many, never one too few: the new slot's provider is what counts.
SELECT provider_no
FROM booking.provider
WHERE provider_no IN (
    SELECT provider_no FROM booking.visit WHERE brand_id = :brand_id AND visit_id = :visit_id
    UNION ALL
    SELECT provider_no FROM booking.slot WHERE brand_id = :brand_id AND slot_id = :new_slot_id)
ORDER BY provider_no
FOR NO KEY UPDATE;

-- name: move_visit!
UPDATE booking.visit AS v
SET slot_id = s.slot_id,
    provider_no = s.provider_no,
    starts_at = s.starts_at,
    ends_at = s.ends_at,
    taken_from = :taken_from::timestamptz,
    taken_until = :taken_until::timestamptz,
    version = v.version + 1,
    updated_at = booking.now()
FROM booking.slot AS s
WHERE v.brand_id = :brand_id
    AND v.visit_id = :visit_id
    AND s.brand_id = :brand_id
    AND s.slot_id = :slot_id;

-- name: list_visits_of_brand$
-- The page as one piece of JSON: written and read as that, it costs the service a third of what the
-- same rows cost, and service and database together a fifth less.
SELECT coalesce(json_agg(page ORDER BY starts_at DESC, visit_id DESC), '[]')
FROM (
    SELECT *
    FROM booking.visit_seen
    WHERE brand_id = :brand_id
        AND (starts_at, visit_id) < (:before_at::timestamptz, :before_id::text)
    ORDER BY starts_at DESC, visit_id DESC
    LIMIT :row_limit
) AS page;

-- name: list_visits_of_patient$
-- As list_visits_of_brand.
SELECT coalesce(json_agg(page ORDER BY starts_at DESC, visit_id DESC), '[]')
FROM (
    SELECT *
    FROM booking.visit_seen
    WHERE brand_id = :brand_id
        AND patient_id = :patient_id
        AND (starts_at, visit_id) < (:before_at::timestamptz, :before_id::text)
    ORDER BY starts_at DESC, visit_id DESC
    LIMIT :row_limit
) AS page;
