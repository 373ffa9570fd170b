-- name: lock_brand_for_import^
-- Importers of one brand take turns, batch by batch. Nothing else waits: who books or adds people
-- holds the brand's row only as a foreign key does, and that goes together with this lock.
SELECT brand_id FROM booking.brand WHERE brand_id = :brand_id FOR NO KEY UPDATE;

-- name: list_imported
SELECT external_id
FROM booking.visit
WHERE brand_id = :brand_id AND external_id = ANY (:external_ids::text[]);

-- name: add_unknown_providers!
-- Ids that nobody has become clinicians of the brand, in sorted order, so that two brands that add
-- the same people queue instead of deadlocking. Whom anybody knows stays as they are.
WITH provider AS (
    INSERT INTO booking.provider (provider_id, brand_id, kind)
    SELECT provider_id, :brand_id, 'clinician'
    FROM unnest(:provider_ids::text[]) AS wanted (provider_id)
    ORDER BY provider_id
    ON CONFLICT ON CONSTRAINT provider_id_once DO NOTHING
    RETURNING provider_no, provider_id, brand_id, kind
), affiliation AS (
    INSERT INTO booking.affiliation (brand_id, provider_no, name)
    SELECT brand_id, provider_no, provider_id FROM provider
)
INSERT INTO booking.audit (
    actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id, request_id,
    details)
SELECT :actor_type, :actor_id, :actor_brand_id, 'provider.created', 'provider', provider_id,
       brand_id, :request_id, jsonb_build_object('kind', kind)
FROM provider
ORDER BY provider_no;

-- name: lock_providers_of_import
-- Locked in the order in which every other statement locks several of them.
SELECT p.provider_id, p.provider_no, p.kind,
       EXISTS (
           SELECT FROM booking.affiliation AS a
           WHERE a.brand_id = :brand_id AND a.provider_no = p.provider_no) AS works_for_brand
FROM booking.provider AS p
WHERE p.provider_id = ANY (:provider_ids::text[])
ORDER BY p.provider_no
FOR NO KEY UPDATE OF p;

-- name: import_visits
-- The visits in the order of their lines, each unless the referee (visit_provider_no_overlap)
-- objects; for those that went in the slot, the patient where they are new, and an event and an
-- audit row of each. Slots and patients come after the visits, and only for these: foreign keys are
-- looked at when the statement ends. Answers the external ids that went in.
WITH line AS (
    SELECT *
    FROM unnest(
        :external_ids::text[], :visit_ids::text[], :slot_ids::text[], :visit_event_ids::text[],
        :slot_event_ids::text[], :patient_ids::text[], :provider_nos::bigint[],
        :provider_ids::text[], :visit_types::text[], :statuses::text[], :starts_ats::timestamptz[],
        :ends_ats::timestamptz[], :booked_ats::timestamptz[]
    ) WITH ORDINALITY AS line (
        external_id, visit_id, slot_id, visit_event_id, slot_event_id, patient_id, provider_no,
        provider_id, visit_type, status, starts_at, ends_at, booked_at, position)
), visit AS (
    INSERT INTO booking.visit (
        visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status,
        visit_type, cancelled_at, created_at, updated_at, external_id)
    SELECT visit_id, :brand_id, patient_id, provider_no, slot_id, starts_at, ends_at, status,
           visit_type,
           CASE WHEN status = 'cancelled' THEN coalesce(booked_at, booking.now()) END,
           coalesce(booked_at, booking.now()), coalesce(booked_at, booking.now()), external_id
    FROM line
    ORDER BY position
    ON CONFLICT ON CONSTRAINT visit_provider_no_overlap DO NOTHING
    RETURNING *
), slot AS (
    INSERT INTO booking.slot (slot_id, brand_id, provider_no, starts_at, ends_at, created_at)
    SELECT slot_id, brand_id, provider_no, starts_at, ends_at, created_at FROM visit
), patient AS (
    INSERT INTO booking.patient (brand_id, patient_id)
    SELECT DISTINCT brand_id, patient_id FROM visit ORDER BY patient_id
    ON CONFLICT ON CONSTRAINT patient_id_once DO NOTHING
    RETURNING brand_id, patient_id
), imported AS (
    SELECT visit.*, line.provider_id, line.position, line.visit_event_id, line.slot_event_id
    FROM visit
    JOIN line USING (visit_id)
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT event_id, brand_id, event_type, entity_id, 1, data
    FROM (
        SELECT position, 1 AS turn, slot_event_id AS event_id, brand_id,
               'booking.slot.created.v1' AS event_type, slot_id AS entity_id,
               jsonb_build_object(
                   'slot_id', slot_id, 'provider_id', provider_id, 'brand_id', brand_id,
                   'slot_start', booking.rfc3339(starts_at), 'slot_end', booking.rfc3339(ends_at),
                   'created_at', booking.rfc3339(created_at)) AS data
        FROM imported
        UNION ALL
        SELECT position, 2, visit_event_id, brand_id, 'booking.visit.imported.v1', visit_id,
               jsonb_build_object(
                   'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
                   'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at),
                   'slot_end', booking.rfc3339(ends_at), 'visit_type', visit_type,
                   'status', status, 'created_at', booking.rfc3339(created_at))
        FROM imported
    ) AS fact
    ORDER BY position, turn
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT :actor_type, :actor_id, :actor_brand_id, event_type, entity_type, entity_id, brand_id,
           :request_id, details
    FROM (
        SELECT 0 AS position, 0 AS turn, brand_id, 'patient.created' AS event_type,
               'patient' AS entity_type, patient_id AS entity_id, '{}'::jsonb AS details
        FROM patient
        UNION ALL
        SELECT position, 1, brand_id, 'slot.created', 'slot', slot_id, '{}' FROM imported
        UNION ALL
        SELECT position, 2, brand_id, 'visit.imported', 'visit', visit_id,
               jsonb_build_object('slot_id', slot_id, 'status', status, 'version', version)
        FROM imported
    ) AS entry
    ORDER BY position, turn
)
SELECT external_id FROM imported;
