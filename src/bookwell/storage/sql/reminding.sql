-- name: next_brand_to_remind^
-- excused: whatever brand's turn it is. Its row stays locked while one worker looks, so that others
-- look at other brands. Whose turn it is goes by the machine's own clock: this is about the work. How
-- far the visits were looked through goes by theirs, which a test or a sandbox may put elsewhere.
SELECT brand_id,
       looked_through_at NOT BETWEEN booking.now() - :through_every::interval AND booking.now()
           AS is_deep
FROM booking.reminder_look
WHERE looked_at <= pg_catalog.clock_timestamp() - :every::interval
ORDER BY looked_at
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: note_look!
UPDATE booking.reminder_look
SET looked_at = pg_catalog.clock_timestamp(),
    looked_through_at = CASE WHEN :is_deep::boolean THEN booking.now() ELSE looked_through_at END
WHERE brand_id = :brand_id;

-- name: list_zones_of_brand
-- Those that a visit's patient or its terms may have. One look-up for each zone that patients have.
WITH RECURSIVE patients AS (
    (SELECT time_zone
     FROM booking.patient
     WHERE brand_id = :brand_id AND time_zone IS NOT NULL
     ORDER BY time_zone
     LIMIT 1)
    UNION ALL
    SELECT next.time_zone
    FROM patients
    CROSS JOIN LATERAL (
        SELECT p.time_zone
        FROM booking.patient AS p
        WHERE p.brand_id = :brand_id AND p.time_zone > patients.time_zone
        ORDER BY p.time_zone
        LIMIT 1) AS next
)
SELECT time_zone FROM patients
UNION
SELECT time_zone FROM booking.terms WHERE brand_id = :brand_id;

-- name: list_visits_to_remind
-- Booked visits of a type (or of all but some) that begin after after_at and up to until_at, or then
-- and have an id behind after_id, whose reminder of this offset is not settled, and whose patient may be sent something now. What was due before now
-- begins up to asked_for; what begins later is asked about only where quiet hours are near.
-- booked_at is when the visit got this start: events tell, and where they are gone it was long ago.
-- A move to another provider at the same time gives no start.
-- It costs what the stretch of visits costs: one pair of bounds, as an index scan begins at the lower
-- of two; no word of the status within, for which there is an index by provider; the inner question
-- first (OFFSET 0), the rest visit by visit, in questions that no join can take the place of. Else
-- PostgreSQL reads all past visits, or all providers, all patients, all reminders.
SELECT v.visit_id, v.starts_at, v.version, zone.time_zone,
       coalesce((
           SELECT max(e.occurred_at)
           FROM booking.event AS e
           WHERE e.entity_id = v.visit_id
               AND e.event_type = ANY (:starts_given_by::text[])
               AND (e.data ->> 'old_slot_start') IS DISTINCT FROM
                   coalesce(e.data ->> 'new_slot_start', '')
       ), v.created_at) AS booked_at,
       (
           SELECT r.offset_minutes
           FROM booking.reminder AS r
           WHERE r.visit_id = v.visit_id AND r.starts_at = v.starts_at
               AND r.offset_minutes < :offset_minutes AND r.skipped_because IS NULL
           LIMIT 1
       ) IS NOT NULL AS is_superseded
FROM (
    SELECT v.visit_id, v.brand_id, v.patient_id, v.starts_at, v.status, v.version, v.terms_no,
           v.created_at
    FROM booking.visit AS v
    WHERE v.brand_id = :brand_id
        AND (v.starts_at, v.visit_id) > (:after_at::timestamptz, :after_id::text)
        AND v.starts_at <= :until_at
        AND (:visit_type::text IS NULL OR v.visit_type = :visit_type)
        AND v.visit_type <> ALL (:other_types::text[])
        AND (
            SELECT r.offset_minutes
            FROM booking.reminder AS r
            WHERE r.visit_id = v.visit_id AND r.starts_at = v.starts_at
                AND r.offset_minutes = :offset_minutes
        ) IS NULL
    ORDER BY v.starts_at, v.visit_id
    OFFSET 0
) AS v
CROSS JOIN LATERAL (
    SELECT coalesce(
        (SELECT p.time_zone
         FROM booking.patient AS p
         WHERE p.brand_id = v.brand_id AND p.patient_id = v.patient_id),
        (SELECT t.time_zone FROM booking.terms AS t WHERE t.terms_no = v.terms_no),
        'UTC') AS time_zone
    OFFSET 0
) AS zone
WHERE v.status = 'booked'
    AND zone.time_zone <> ALL (:quiet_zones::text[])
    AND (v.starts_at <= :asked_for OR zone.time_zone = ANY (:soon_zones::text[]))
ORDER BY v.starts_at, v.visit_id
LIMIT :row_limit;

-- name: settle_reminders
-- Settles one offset's reminders of visits that are still as they were looked at, each once: sent,
-- with the event, the audit row and perhaps the message, or skipped. It waits for nobody: a visit
-- that somebody is changing is left for the next look. Where another worker was quicker, the visit
-- has another version, and the reminder is there already.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(:reminders::jsonb) AS w (
        position integer, visit_id text, starts_at timestamptz, version integer,
        due_at timestamptz, skipped_because text, event_id text)
), locked AS MATERIALIZED (
    SELECT w.*
    FROM wanted AS w
    JOIN booking.visit AS v ON v.visit_id = w.visit_id
    WHERE v.brand_id = :brand_id
        AND v.status = 'booked'
        AND v.starts_at = w.starts_at
        AND v.version = w.version
    ORDER BY v.visit_id
    FOR NO KEY UPDATE OF v SKIP LOCKED
), settled AS (
    INSERT INTO booking.reminder (
        brand_id, visit_id, starts_at, offset_minutes, due_at, channel, template_key,
        skipped_because)
    SELECT :brand_id, visit_id, starts_at, :offset_minutes, due_at, :channel, :template_key,
           skipped_because
    FROM locked
    ON CONFLICT ON CONSTRAINT reminder_once DO NOTHING
    RETURNING visit_id, starts_at, due_at, skipped_because
), raised AS (
    UPDATE booking.visit AS v
    SET version = v.version + 1
    FROM settled AS s
    WHERE v.brand_id = :brand_id AND v.visit_id = s.visit_id AND s.skipped_because IS NULL
    RETURNING v.visit_id, v.brand_id, v.patient_id, v.provider_no, v.starts_at, v.status, v.version,
              s.due_at
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT w.event_id, r.brand_id, 'booking.visit.reminder_due.v1', r.visit_id, r.version,
           jsonb_build_object(
               'visit_id', r.visit_id, 'patient_id', r.patient_id, 'provider_id', p.provider_id,
               'brand_id', r.brand_id, 'slot_start', booking.rfc3339(r.starts_at),
               'offset_minutes', :offset_minutes::integer, 'due_at', booking.rfc3339(r.due_at))
    FROM raised AS r
    JOIN wanted AS w USING (visit_id)
    JOIN booking.provider AS p USING (provider_no)
    ORDER BY w.position
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, event_type, entity_type, entity_id, brand_id, request_id, details)
    SELECT 'system', 'bookwell', 'visit.reminder_due', 'visit', visit_id, brand_id, :request_id,
           jsonb_build_object(
               'status', status, 'version', version, 'offset_minutes', :offset_minutes::integer)
    FROM raised
), message AS (
    INSERT INTO booking.message (brand_id, visit_id, starts_at, offset_minutes)
    SELECT brand_id, visit_id, starts_at, :offset_minutes
    FROM raised
    WHERE :with_messages::boolean
)
SELECT visit_id, skipped_because FROM settled;

-- name: look_at_reminders
-- What became of a visit's reminders, also of its earlier starts, and how their messages fare.
SELECT r.starts_at, r.offset_minutes, r.due_at, r.channel, r.template_key, r.skipped_because,
       r.settled_at, m.status AS message_status, m.cause, m.attempts,
       CASE WHEN m.status = 'waiting' THEN m.next_attempt_at END AS next_attempt_at
FROM booking.reminder AS r
LEFT JOIN booking.message AS m USING (visit_id, starts_at, offset_minutes)
WHERE r.brand_id = :brand_id AND r.visit_id = :visit_id
ORDER BY r.settled_at DESC, r.offset_minutes
LIMIT :row_limit;

-- name: look_at_occasion^
-- What says when this visit's patient may be reminded; see list_visits_to_remind.
SELECT coalesce(p.time_zone, t.time_zone, 'UTC') AS time_zone,
       coalesce((
           SELECT max(e.occurred_at)
           FROM booking.event AS e
           WHERE e.entity_id = v.visit_id
               AND e.event_type = ANY (:starts_given_by::text[])
               AND (e.data ->> 'old_slot_start') IS DISTINCT FROM
                   coalesce(e.data ->> 'new_slot_start', '')
       ), v.created_at) AS booked_at,
       booking.now() AS now
FROM booking.visit AS v
JOIN booking.patient AS p USING (brand_id, patient_id)
LEFT JOIN booking.terms AS t ON t.terms_no = v.terms_no
WHERE v.brand_id = :brand_id AND v.visit_id = :visit_id;
