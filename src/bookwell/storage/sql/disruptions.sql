-- name: add_disruption^
INSERT INTO booking.disruption (disruption_id, brand_id, provider_no, starts_at, ends_at)
VALUES (:disruption_id, :brand_id, :provider_no, :starts_at, :ends_at)
RETURNING disruption_id, brand_id, :provider_id::text AS provider_id, provider_no, starts_at,
          ends_at, status, created_at, updated_at, version;

-- name: get_disruption^
SELECT d.disruption_id, d.brand_id, p.provider_id, d.provider_no, d.starts_at, d.ends_at, d.status,
       d.created_at, d.updated_at, d.version
FROM booking.disruption AS d
JOIN booking.provider AS p USING (provider_no)
WHERE d.brand_id = :brand_id AND d.disruption_id = :disruption_id;

-- name: lock_disruption^
-- Before the providers: whoever has a provider's lock wants none of these.
SELECT disruption_id
FROM booking.disruption
WHERE brand_id = :brand_id AND disruption_id = :disruption_id
FOR NO KEY UPDATE;

-- name: list_disruptions
-- Newest first.
SELECT disruption_id, brand_id, :provider_id::text AS provider_id, provider_no, starts_at, ends_at,
       status, created_at, updated_at, version
FROM booking.disruption
WHERE provider_no = :provider_no AND brand_id = :brand_id
    AND (:before_id::text IS NULL OR disruption_id < :before_id)
ORDER BY disruption_id DESC
LIMIT :row_limit;

-- name: change_disruption^
UPDATE booking.disruption
SET status = :status, updated_at = booking.now(), version = version + 1
WHERE brand_id = :brand_id AND disruption_id = :disruption_id
RETURNING updated_at, version;

-- name: list_disrupted_visits
-- The visits of the provider and brand that lie in the time, and those that staff know of already;
-- a slot lasts a day at most. What was looked at is shown at the time it had then.
WITH affected AS MATERIALIZED (
    SELECT v.visit_id
    FROM booking.visit AS v
    WHERE :is_open::boolean AND v.brand_id = :brand_id AND v.provider_no = :provider_no
        AND v.status NOT IN ('cancelled', 'expired')
        AND v.status IN ('held', 'booked', 'checked_in')
        AND v.status <> 'checked_in'
        AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
        AND v.starts_at > :starts_at::timestamptz - interval '24 hours'
        AND v.starts_at < :ends_at::timestamptz
        AND v.ends_at > :starts_at
), known AS MATERIALIZED (
    SELECT c.*
    FROM booking.disruption_choice AS c
    WHERE c.brand_id = :brand_id AND c.disruption_id = :disruption_id::text
)
SELECT v.visit_id, v.patient_id, v.slot_id,
       coalesce(known.starts_at, v.starts_at) AS starts_at,
       coalesce(known.ends_at, v.ends_at) AS ends_at,
       v.status, v.visit_type,
       affected.visit_id IS NOT NULL AS is_affected,
       affected.visit_id IS NOT NULL
           AND (known.starts_at, known.ends_at) IS DISTINCT FROM (v.starts_at, v.ends_at) AS is_new,
       coalesce(known.action, 'undecided') AS action,
       known.slot_id AS chosen_slot_id,
       known.hold_id,
       hold.created_at AS held_at,
       hold.hold_expires_at,
       known.cancel_reason,
       known.outcome
FROM affected
FULL JOIN known USING (visit_id)
JOIN booking.visit_seen AS v USING (visit_id)
LEFT JOIN booking.visit AS hold
    ON hold.visit_id = known.hold_id AND hold.status = 'held'
    AND hold.hold_expires_at > booking.now()
WHERE v.brand_id = :brand_id
ORDER BY 4, v.visit_id
LIMIT :row_limit;

-- name: keep_choice!
-- What staff know of a visit, and want for it, in the place of what they did before.
INSERT INTO booking.disruption_choice (
    disruption_id, visit_id, brand_id, starts_at, ends_at, action, slot_id, hold_id, cancel_reason)
SELECT :disruption_id, v.visit_id, v.brand_id, v.starts_at, v.ends_at, :action, :slot_id, :hold_id,
       :cancel_reason
FROM booking.visit AS v
WHERE v.brand_id = :brand_id AND v.visit_id = :visit_id
ON CONFLICT ON CONSTRAINT disruption_choice_once DO UPDATE
SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, action = excluded.action,
    slot_id = excluded.slot_id, hold_id = excluded.hold_id, cancel_reason = excluded.cancel_reason;

-- name: know_visits!
-- Staff have seen these visits, and decided nothing yet.
INSERT INTO booking.disruption_choice (disruption_id, visit_id, brand_id, starts_at, ends_at)
SELECT :disruption_id, v.visit_id, v.brand_id, v.starts_at, v.ends_at
FROM booking.visit AS v
WHERE v.brand_id = :brand_id AND v.visit_id = ANY (:visit_ids::text[]);

-- name: settle_choices!
-- What came of each; the reason now stands with the visit it was for.
UPDATE booking.disruption_choice AS c
SET outcome = w.outcome, cancel_reason = NULL
FROM unnest(:visit_ids::text[], :outcomes::text[]) AS w (visit_id, outcome)
WHERE c.brand_id = :brand_id AND c.disruption_id = :disruption_id AND c.visit_id = w.visit_id;

-- name: lock_providers_of_slots
-- The provider who is out, those of the slots, and those whose time the holds take: in one sorted
-- statement, as everybody does who locks more than one.
SELECT provider_no
FROM booking.provider
WHERE provider_no IN (
    SELECT :provider_no::bigint
    UNION ALL
    SELECT provider_no
    FROM booking.slot
    WHERE brand_id = :brand_id AND slot_id = ANY (:slot_ids::text[])
    UNION ALL
    SELECT provider_no
    FROM booking.visit
    WHERE brand_id = :brand_id AND visit_id = ANY (:hold_ids::text[]))
ORDER BY provider_no
FOR NO KEY UPDATE;

-- name: lock_patients_of_visits
-- After the providers; sorted, too.
SELECT patient_id
FROM booking.patient
WHERE brand_id = :brand_id AND patient_id IN (
    SELECT patient_id
    FROM booking.visit
    WHERE brand_id = :brand_id AND visit_id = ANY (:visit_ids::text[]))
ORDER BY patient_id
FOR NO KEY UPDATE;

-- name: cancel_for_the_clinic
-- Visits, or holds, that the clinic calls off: never late, whatever the terms say. The caller has the
-- locks of their providers.
UPDATE booking.visit AS v
SET status = 'cancelled',
    version = v.version + 1,
    updated_at = booking.now(),
    cancelled_at = booking.now(),
    cancel_reason = w.cancel_reason,
    cancelled_late = CASE WHEN v.status = 'booked' AND v.terms_no IS NOT NULL THEN false END,
    hold_expires_at = NULL,
    hold_place = NULL
FROM unnest(:visit_ids::text[], :cancel_reasons::text[]) AS w (visit_id, cancel_reason)
WHERE v.brand_id = :brand_id
    AND v.visit_id = w.visit_id
    AND v.status = ANY (:from_statuses::text[])
    AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
RETURNING v.visit_id, v.patient_id, v.starts_at, v.version, v.updated_at,
          (SELECT p.provider_id FROM booking.provider AS p WHERE p.provider_no = v.provider_no)
              AS provider_id;

-- name: leave_for_staff
-- Nothing changes of the visits but that everybody hears of it. The caller has the provider's lock.
UPDATE booking.visit AS v
SET version = version + 1, updated_at = booking.now()
WHERE v.brand_id = :brand_id AND v.visit_id = ANY (:visit_ids::text[])
RETURNING v.visit_id, v.patient_id, v.starts_at, v.version, v.updated_at,
          (SELECT p.provider_id FROM booking.provider AS p WHERE p.provider_no = v.provider_no)
              AS provider_id;

-- name: list_times_of_the_same_provider
-- For each visit the earliest slots of its own provider in [from_at, until_at) that no booking rule
-- stands against; its own time counts as free. Where a brand has no visit types, a slot is at least
-- as long as the visit.
WITH wanted AS MATERIALIZED (
    SELECT v.visit_id, v.brand_id, v.patient_id, v.provider_no, v.visit_type,
           v.ends_at - v.starts_at AS length, :from_at::timestamptz AS from_at,
           :until_at::timestamptz AS until_at, booking.now() AS now
    FROM booking.visit AS v
    WHERE v.brand_id = :brand_id AND v.visit_id = ANY (:visit_ids::text[])
), known AS MATERIALIZED (
    SELECT wanted.*, its.terms, facts.*, taken.*,
           (its.terms).terms_no IS NULL AND EXISTS (
               SELECT FROM booking.visit_type WHERE brand_id = :brand_id) AS is_unknown_type
    FROM wanted
    LEFT JOIN LATERAL (
        SELECT t AS terms
        FROM booking.terms_for(wanted.brand_id, wanted.visit_type, wanted.provider_no) AS t
        OFFSET 0) AS its ON true
    CROSS JOIN LATERAL booking.facts_for(
        wanted.brand_id, wanted.provider_no, wanted.patient_id, wanted.visit_type, its.terms,
        wanted.from_at, wanted.until_at, wanted.visit_id) AS facts
    -- What is taken beside the window counts as far as the longest buffer and the longest slot.
    CROSS JOIN LATERAL booking.taken_for(
        wanted.provider_no, wanted.from_at - interval '1 day', wanted.until_at + interval '2 days',
        wanted.visit_id) AS taken
)
SELECT known.visit_id, p.provider_id, best.slot_id, best.starts_at, best.ends_at
FROM known
JOIN booking.provider AS p USING (provider_no)
CROSS JOIN LATERAL (
    SELECT s.slot_id, s.starts_at, s.ends_at
    FROM booking.slot AS s
    WHERE s.provider_no = known.provider_no AND s.brand_id = known.brand_id
        AND s.deleted_at IS NULL AND NOT s.is_withdrawn
        AND s.starts_at >= known.from_at AND s.starts_at < known.until_at
        AND ((known.terms).terms_no IS NOT NULL OR s.ends_at - s.starts_at >= known.length)
        AND booking.broken_rules(
            known.visit_type, false, known.now, s.starts_at, s.ends_at, s.visit_types, known.terms,
            known.is_unknown_type, known.away, known.licensed, known.patient_full,
            known.provider_full, known.held, known.busy) = '{}'
    ORDER BY s.starts_at, s.slot_id
    LIMIT :row_limit) AS best
ORDER BY known.visit_id, best.starts_at, best.slot_id;

-- name: list_times_of_other_providers
-- For each visit the slots of the brand's other clinicians that begin within `reach` of it, the
-- nearest ones first, that no booking rule stands against. What does not depend on the patient is
-- judged once for all visits of a type; the patient's part once for each provider that is left.
WITH wanted AS MATERIALIZED (
    SELECT v.visit_id, v.brand_id, v.patient_id, v.visit_type, v.starts_at,
           v.ends_at - v.starts_at AS length
    FROM booking.visit AS v
    WHERE v.brand_id = :brand_id AND v.visit_id = ANY (:visit_ids::text[])
), span AS MATERIALIZED (
    SELECT brand_id, visit_type,
           greatest(min(starts_at) - :reach::interval, booking.now()) AS from_at,
           greatest(max(starts_at) + :reach, booking.now() + interval '1 second') AS until_at,
           booking.now() AS now,
           EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id) AS has_types
    FROM wanted
    GROUP BY brand_id, visit_type
), offering AS MATERIALIZED (
    SELECT span.*, p.provider_no, p.provider_id, its.terms,
           (its.terms).terms_no IS NULL AND span.has_types AS is_unknown_type,
           facts.away, facts.provider_full, taken.held, taken.busy
    FROM span
    JOIN booking.affiliation AS a ON a.brand_id = span.brand_id
    JOIN booking.provider AS p ON p.provider_no = a.provider_no AND p.kind = 'clinician'
    LEFT JOIN LATERAL (
        SELECT t AS terms
        FROM booking.terms_for(span.brand_id, span.visit_type, p.provider_no) AS t
        OFFSET 0) AS its ON true
    CROSS JOIN LATERAL booking.facts_for(
        span.brand_id, p.provider_no, NULL, span.visit_type, its.terms, span.from_at,
        span.until_at, NULL) AS facts
    CROSS JOIN LATERAL booking.taken_for(
        p.provider_no, span.from_at - interval '1 day', span.until_at + interval '2 days', NULL)
        AS taken
    WHERE p.provider_no <> :provider_no::bigint
), open AS MATERIALIZED (
    -- One row a provider, so that whatever the planner believes, nothing is joined slot by slot.
    SELECT o.visit_type, o.brand_id, o.provider_no, o.provider_id, o.terms, o.from_at, o.until_at,
           free.*
    FROM offering AS o
    CROSS JOIN LATERAL (
        SELECT array_agg(s.slot_id) AS slot_ids, array_agg(s.starts_at) AS starts,
               array_agg(s.ends_at) AS ends
        FROM booking.slot AS s
        WHERE s.provider_no = o.provider_no AND s.brand_id = o.brand_id
            AND s.deleted_at IS NULL AND NOT s.is_withdrawn
            AND s.starts_at >= o.from_at AND s.starts_at < o.until_at
            AND booking.broken_rules(
                o.visit_type, false, o.now, s.starts_at, s.ends_at, s.visit_types, o.terms,
                o.is_unknown_type, o.away, NULL, NULL, o.provider_full, o.held, o.busy) = '{}'
    ) AS free
    WHERE free.slot_ids IS NOT NULL
), nearest AS (
    SELECT w.visit_id, o.provider_id, near.*,
           row_number() OVER (PARTITION BY w.visit_id ORDER BY near.distance, near.slot_id) AS place
    FROM wanted AS w
    JOIN open AS o ON o.visit_type = w.visit_type
    -- OFFSET 0: once for each provider, and not for each of their slots.
    CROSS JOIN LATERAL (
        SELECT known.licensed, known.patient_full
        FROM booking.facts_for(
            w.brand_id, o.provider_no, w.patient_id, w.visit_type, o.terms, o.from_at, o.until_at,
            w.visit_id) AS known
        OFFSET 0) AS facts
    CROSS JOIN LATERAL (
        SELECT t.slot_id, t.starts_at, t.ends_at,
               abs(extract(epoch FROM t.starts_at - w.starts_at)) AS distance
        FROM unnest(o.slot_ids, o.starts, o.ends) AS t (slot_id, starts_at, ends_at)
        WHERE ((o.terms).terms_no IS NOT NULL OR t.ends_at - t.starts_at >= w.length)
            AND booking.broken_rules(
                NULL, false, t.starts_at - interval '1 minute', t.starts_at, t.ends_at, NULL,
                NULL, false, NULL, facts.licensed, facts.patient_full, NULL, NULL, NULL) = '{}'
        ORDER BY distance, t.slot_id
        LIMIT :row_limit) AS near
)
SELECT visit_id, provider_id, slot_id, starts_at, ends_at
FROM nearest
WHERE place <= :row_limit
ORDER BY visit_id, place;
