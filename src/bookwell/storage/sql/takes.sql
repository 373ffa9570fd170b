-- name: take_slot^
-- Books a slot, or holds it where hold_length is given. One statement, one transaction: lock the
-- provider, look at the slot again behind the lock, judge the visit by the booking rules, insert it
-- unless the referee (visit_provider_no_overlap) objects, and write its event, audit and idempotency
-- rows. Answers one row; visit_id is null where nothing was taken, and the other columns say why.
-- What is counted for a cap must be seen behind the locks of provider and patient, and this
-- statement sees what was before it began. So a capped visit is taken by whoever has those locks and
-- has counted already (has_locks); others hear needs_locks. So does whoever waited for the provider
-- while somebody changed when they are there (presence_changes).
WITH wanted AS (
    SELECT s.slot_id, s.provider_no, p.presence_changes
    FROM booking.slot AS s
    JOIN booking.provider AS p USING (provider_no)
    WHERE s.brand_id = :brand_id AND s.slot_id = :slot_id AND s.deleted_at IS NULL
), provider AS (
    SELECT p.provider_no, p.provider_id, p.presence_changes
    FROM booking.provider AS p
    WHERE p.provider_no = (SELECT provider_no FROM wanted)
        AND p.provider_id = coalesce(:provider_id::text, p.provider_id)
    FOR NO KEY UPDATE
), offered AS (
    SELECT s.slot_id, s.starts_at, s.ends_at,
           -- A slot that its schedule offers no more waits for its visit to end, and is for no type.
           CASE WHEN s.is_withdrawn THEN '{}' ELSE s.visit_types END AS visit_types,
           provider.provider_no, provider.provider_id, provider.presence_changes
    FROM provider
    JOIN booking.slot AS s ON s.slot_id = :slot_id AND s.deleted_at IS NULL
    FOR SHARE OF s
), known AS MATERIALIZED (
    SELECT offered.*, terms, facts.*,
           terms.patient_cap IS NOT NULL OR terms.provider_day_cap IS NOT NULL AS is_capped,
           offered.presence_changes <> (SELECT presence_changes FROM wanted) AS is_outdated,
           CASE WHEN terms.terms_no IS NULL AND :judged_type IS NOT NULL
                THEN EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id) END
               AS is_unknown_type
    FROM offered
    LEFT JOIN LATERAL booking.terms_for(:brand_id, :judged_type::text, offered.provider_no) AS terms
        ON true
    CROSS JOIN LATERAL booking.presence_for(
        :brand_id, offered.provider_no, :patient_id, terms, offered.starts_at, offered.ends_at)
        AS facts
), judged AS MATERIALIZED (
    SELECT slot_id, starts_at, ends_at, provider_no, provider_id, (terms).terms_no,
           CASE WHEN (terms).buffer_before_minutes > 0 AND 'buffers' <> ALL (:overruled::text[])
                THEN starts_at - make_interval(mins => (terms).buffer_before_minutes) END
               AS taken_from,
           CASE WHEN (terms).buffer_after_minutes > 0 AND 'buffers' <> ALL (:overruled)
                THEN ends_at + make_interval(mins => (terms).buffer_after_minutes) END
               AS taken_until,
           (is_capped OR is_outdated) AND NOT :has_locks::boolean AS needs_locks,
           booking.broken_rules(
               :judged_type, :by_patient::boolean, booking.now(), starts_at, ends_at, visit_types,
               terms, is_unknown_type, away, licensed, NULL, NULL, NULL, NULL)
               AS broken
    FROM known
), patient AS (
    SELECT patient_id
    FROM booking.patient
    WHERE brand_id = :brand_id AND patient_id = :patient_id
), place AS (
    -- What the clinic itself holds has places beyond the 1,000 that a patient may have at most.
    SELECT min(hold_place) AS hold_place
    FROM generate_series(CASE WHEN :holds_max::integer > 1000 THEN 1001 ELSE 1 END, :holds_max)
        AS hold_place
    WHERE hold_place NOT IN (
        SELECT v.hold_place
        FROM booking.visit AS v
        WHERE v.brand_id = :brand_id AND v.patient_id = :patient_id AND v.status = 'held')
), taken AS (
    INSERT INTO booking.visit (
        visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
        status, visit_type, reason, notes, hold_expires_at, hold_place, terms_no, taken_from,
        taken_until)
    SELECT :visit_id, :brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
           CASE WHEN :hold_length::interval IS NULL THEN 'booked' ELSE 'held' END,
           :visit_type, :reason, :notes,
           -- A slot that has begun is booked by nobody, so no hold lasts longer than until then.
           CASE WHEN :hold_length IS NOT NULL
                THEN least(booking.now() + :hold_length, starts_at) END,
           hold_place, terms_no, taken_from, taken_until
    FROM judged CROSS JOIN patient CROSS JOIN place
    WHERE starts_at > booking.now()
        AND broken <@ :overruled
        AND NOT needs_locks
        AND (hold_place IS NULL) = (:hold_length IS NULL)
    ON CONFLICT ON CONSTRAINT visit_provider_no_overlap DO NOTHING
    RETURNING *
), visit AS (
    SELECT visit_id, taken.brand_id, patient_id, provider_id, taken.slot_id, status, visit_type,
           reason, notes, cancelled_at, cancel_reason, created_at, updated_at, version,
           taken.starts_at, taken.ends_at, hold_expires_at
    FROM taken CROSS JOIN offered
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT :event_id, brand_id,
           CASE status WHEN 'held' THEN 'booking.visit.held.v1' ELSE 'booking.visit.created.v1' END,
           visit_id, version,
           jsonb_build_object(
               'visit_id', visit_id, 'patient_id', patient_id, 'provider_id', provider_id,
               'brand_id', brand_id, 'slot_start', booking.rfc3339(starts_at),
               'slot_end', booking.rfc3339(ends_at), 'visit_type', visit_type,
               CASE status WHEN 'held' THEN 'hold_expires_at' ELSE 'created_at' END,
               booking.rfc3339(coalesce(hold_expires_at, created_at)))
    FROM visit
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT :actor_type, :actor_id, :actor_brand_id,
           CASE status WHEN 'held' THEN 'visit.held' ELSE 'visit.created' END,
           'visit', visit_id, brand_id,
           :request_id,
           jsonb_build_object('slot_id', slot_id, 'status', status, 'version', version)
           || CASE WHEN :override_reason::text IS NULL THEN '{}'
              ELSE jsonb_build_object('override', jsonb_build_object(
                  'rules', to_jsonb(:overruled), 'reason', :override_reason)) END
    FROM visit
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT brand_id, :caller, :route, :key, :fingerprint, 'done', to_jsonb(visit)
    FROM visit
    WHERE :key::text IS NOT NULL
)
SELECT EXISTS (SELECT FROM provider) AS slot_found,
       EXISTS (SELECT FROM patient) AS patient_found,
       judged.provider_id AS wanted_from,
       judged.starts_at AS wanted_at,
       judged.starts_at <= booking.now() AS has_begun,
       judged.needs_locks,
       judged.broken,
       -- holds past their time that nobody has written down yet, and that may be in the way
       CASE WHEN visit_id IS NULL THEN ARRAY(
           SELECT v.visit_id
           FROM booking.visit AS v
           WHERE int8range(v.provider_no, v.provider_no, '[]')
                   && int8range(judged.provider_no, judged.provider_no, '[]')
               AND tstzrange(coalesce(v.taken_from, v.starts_at), coalesce(v.taken_until, v.ends_at))
                   && tstzrange(coalesce(judged.taken_from, judged.starts_at),
                                coalesce(judged.taken_until, judged.ends_at))
               AND v.status = 'held' AND v.hold_expires_at <= booking.now()
           UNION ALL
           SELECT v.visit_id
           FROM booking.visit AS v
           WHERE v.brand_id = :brand_id AND v.patient_id = :patient_id
               AND v.status = 'held' AND v.hold_expires_at <= booking.now()
               AND :hold_length IS NOT NULL)
       END AS past_holds,
       :hold_length IS NOT NULL AND NOT EXISTS (SELECT FROM place WHERE hold_place IS NOT NULL)
           AS has_no_place,
       visit.*
FROM (SELECT 1) AS answer
LEFT JOIN judged ON true
LEFT JOIN visit ON true;

-- name: take_slots
-- Many of take_slot in one transaction: bookings in the order of their positions, then holds in the
-- order of their patients. It waits for no lock of a provider: one whom somebody else has locked is
-- left out, and so is a key that was used already, and what breaks a rule or is capped; these are
-- answered with goes_alone, and the one-row statement says more. Where two statements do meet (two holds of a patient, a key) they
-- meet in sorted order, so that one waits for the other and never both. The caller never gives two
-- holds of one patient, or the same key twice. The takes come as one JSON value, which costs both
-- sides less than an array for each column.
WITH wanted AS MATERIALIZED (
    SELECT w.*, s.provider_no, s.presence_changes
    FROM jsonb_to_recordset(:takes::jsonb) AS w (
        position integer, visit_id text, event_id text, brand_id text, patient_id text,
        slot_id text, provider_id text, visit_type text, judged_type text, by_patient boolean,
        reason text, notes text, hold_length interval, holds_max integer, actor_type text,
        actor_id text, actor_brand_id text, request_id text, caller text, route text, key text,
        fingerprint text)
    -- OFFSET 0: one look-up a row, whatever the planner believes of the size of the table.
    LEFT JOIN LATERAL (
        SELECT slot.provider_no, p.presence_changes
        FROM booking.slot
        JOIN booking.provider AS p USING (provider_no)
        WHERE slot.slot_id = w.slot_id AND slot.brand_id = w.brand_id AND slot.deleted_at IS NULL
        OFFSET 0) AS s ON true
), provider AS MATERIALIZED (
    SELECT p.provider_no, p.provider_id, p.presence_changes
    FROM booking.provider AS p
    WHERE p.provider_no = ANY (ARRAY(SELECT provider_no FROM wanted))
    ORDER BY p.provider_no
    FOR NO KEY UPDATE SKIP LOCKED
), offered AS MATERIALIZED (
    SELECT wanted.position, s.starts_at, s.ends_at,
           CASE WHEN s.is_withdrawn THEN '{}' ELSE s.visit_types END AS visit_types,
           provider.provider_id AS offering_provider_id,
           provider.presence_changes = wanted.presence_changes AS is_up_to_date
    FROM wanted
    JOIN provider
        ON provider.provider_no = wanted.provider_no
        AND provider.provider_id = coalesce(wanted.provider_id, provider.provider_id)
    JOIN booking.slot AS s ON s.slot_id = wanted.slot_id AND s.deleted_at IS NULL
    FOR SHARE OF s SKIP LOCKED
), known AS MATERIALIZED (
    SELECT wanted.position, offered.starts_at, offered.ends_at, offered.visit_types, terms,
           facts.*
    FROM wanted
    JOIN offered USING (position)
    -- OFFSET 0: as above.
    LEFT JOIN LATERAL (
        SELECT t AS terms
        FROM booking.terms_for(wanted.brand_id, wanted.judged_type, wanted.provider_no) AS t
        OFFSET 0) AS its ON true
    CROSS JOIN LATERAL booking.presence_for(
        wanted.brand_id, wanted.provider_no, wanted.patient_id, its.terms, offered.starts_at,
        offered.ends_at) AS facts
), candidate AS MATERIALIZED (
    SELECT wanted.*, known.starts_at, known.ends_at, offered.offering_provider_id,
           place.hold_place, (known.terms).terms_no,
           CASE WHEN (known.terms).buffer_before_minutes > 0
                THEN known.starts_at
                     - make_interval(mins => (known.terms).buffer_before_minutes) END AS taken_from,
           CASE WHEN (known.terms).buffer_after_minutes > 0
                THEN known.ends_at
                     + make_interval(mins => (known.terms).buffer_after_minutes) END AS taken_until,
           (known.terms).patient_cap IS NULL AND (known.terms).provider_day_cap IS NULL
               AND offered.is_up_to_date
               AND booking.broken_rules(
                   wanted.judged_type, wanted.by_patient, booking.now(), known.starts_at,
                   known.ends_at, known.visit_types, known.terms,
                   CASE WHEN (known.terms).terms_no IS NULL AND wanted.judged_type IS NOT NULL
                        THEN EXISTS (
                            SELECT FROM booking.visit_type AS vt
                            WHERE vt.brand_id = wanted.brand_id) END,
                   known.away, known.licensed, NULL, NULL, NULL, NULL) = '{}' AS keeps_rules,
           patient.patient_id IS NOT NULL AS patient_found,
           wanted.key IS NOT NULL AND EXISTS (
               SELECT FROM booking.idempotency AS i
               WHERE i.key = wanted.key AND i.caller = wanted.caller AND i.route = wanted.route
                   AND i.brand_id = wanted.brand_id) AS key_used
    FROM wanted
    JOIN offered USING (position)
    JOIN known USING (position)
    LEFT JOIN booking.patient AS patient
        ON patient.brand_id = wanted.brand_id AND patient.patient_id = wanted.patient_id
    LEFT JOIN LATERAL (
        SELECT min(hold_place) AS hold_place
        FROM generate_series(1, wanted.holds_max) AS hold_place
        WHERE hold_place NOT IN (
            SELECT v.hold_place
            FROM booking.visit AS v
            WHERE v.brand_id = wanted.brand_id AND v.patient_id = wanted.patient_id
                AND v.status = 'held')) AS place ON wanted.hold_length IS NOT NULL
), taken AS (
    INSERT INTO booking.visit (
        visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
        status, visit_type, reason, notes, hold_expires_at, hold_place, terms_no, taken_from,
        taken_until)
    SELECT visit_id, brand_id, patient_id, provider_no, slot_id, starts_at, ends_at,
           CASE WHEN hold_length IS NULL THEN 'booked' ELSE 'held' END,
           visit_type, reason, notes,
           CASE WHEN hold_length IS NOT NULL THEN least(booking.now() + hold_length, starts_at) END,
           hold_place, terms_no, taken_from, taken_until
    FROM candidate
    WHERE patient_found AND NOT key_used AND keeps_rules
        AND starts_at > booking.now()
        AND (hold_place IS NULL) = (hold_length IS NULL)
    ORDER BY CASE WHEN hold_length IS NOT NULL THEN brand_id END NULLS FIRST,
             CASE WHEN hold_length IS NOT NULL THEN patient_id END,
             position
    ON CONFLICT ON CONSTRAINT visit_provider_no_overlap DO NOTHING
    RETURNING *
), visit AS (
    SELECT taken.visit_id, taken.brand_id, taken.patient_id,
           candidate.offering_provider_id AS provider_id, taken.slot_id, taken.status,
           taken.visit_type, taken.reason, taken.notes, taken.cancelled_at, taken.cancel_reason,
           taken.created_at, taken.updated_at, taken.version, taken.starts_at, taken.ends_at,
           taken.hold_expires_at
    FROM taken
    JOIN candidate USING (visit_id)
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT wanted.event_id, v.brand_id,
           CASE v.status WHEN 'held' THEN 'booking.visit.held.v1' ELSE 'booking.visit.created.v1' END,
           v.visit_id, v.version,
           jsonb_build_object(
               'visit_id', v.visit_id, 'patient_id', v.patient_id, 'provider_id', v.provider_id,
               'brand_id', v.brand_id, 'slot_start', booking.rfc3339(v.starts_at),
               'slot_end', booking.rfc3339(v.ends_at), 'visit_type', v.visit_type,
               CASE v.status WHEN 'held' THEN 'hold_expires_at' ELSE 'created_at' END,
               booking.rfc3339(coalesce(v.hold_expires_at, v.created_at)))
    FROM visit AS v
    JOIN wanted USING (visit_id)
    ORDER BY wanted.position
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id,
        request_id, details)
    SELECT wanted.actor_type, wanted.actor_id, wanted.actor_brand_id,
           CASE v.status WHEN 'held' THEN 'visit.held' ELSE 'visit.created' END,
           'visit', v.visit_id, v.brand_id, wanted.request_id,
           jsonb_build_object('slot_id', v.slot_id, 'status', v.status, 'version', v.version)
    FROM visit AS v
    JOIN wanted USING (visit_id)
    ORDER BY wanted.position
), remembered AS (
    INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
    SELECT v.brand_id, wanted.caller, wanted.route, wanted.key,
           decode(wanted.fingerprint, 'base64'), 'done', to_jsonb(v)
    FROM visit AS v
    JOIN wanted USING (visit_id)
    WHERE wanted.key IS NOT NULL
    ORDER BY wanted.key, wanted.caller, wanted.route, wanted.brand_id
)
-- Final are what was taken and what the referee refused; the rest goes alone, to be told why.
SELECT CASE WHEN visit.visit_id IS NULL THEN coalesce(
           NOT candidate.patient_found
           OR candidate.key_used
           OR NOT candidate.keeps_rules
           OR wanted.hold_length IS NOT NULL
           OR EXISTS (
               SELECT FROM booking.visit AS past
               WHERE int8range(past.provider_no, past.provider_no, '[]')
                       && int8range(candidate.provider_no, candidate.provider_no, '[]')
                   AND tstzrange(coalesce(past.taken_from, past.starts_at),
                                 coalesce(past.taken_until, past.ends_at))
                       && tstzrange(coalesce(candidate.taken_from, candidate.starts_at),
                                    coalesce(candidate.taken_until, candidate.ends_at))
                   AND past.status = 'held' AND past.hold_expires_at <= booking.now()),
           true) END AS goes_alone,
       candidate.offering_provider_id AS wanted_from,
       candidate.starts_at AS wanted_at,
       visit.*
FROM wanted
LEFT JOIN candidate USING (position)
LEFT JOIN visit ON visit.visit_id = wanted.visit_id
ORDER BY wanted.position;

-- name: lock_provider_of_slot$
-- Behind this lock, and then the patient's, it is counted what counts for a cap.
SELECT provider_no
FROM booking.provider
WHERE provider_no = (
    SELECT provider_no
    FROM booking.slot
    WHERE brand_id = :brand_id AND slot_id = :slot_id AND deleted_at IS NULL)
FOR NO KEY UPDATE;
