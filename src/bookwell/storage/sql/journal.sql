-- name: read_clock$
-- excused: the clock is nobody's
SELECT booking.now();

-- name: write_event!
INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
VALUES (:event_id, :brand_id, :event_type, :entity_id, :sequence, :data::jsonb);

-- name: write_audit!
INSERT INTO booking.audit (
    actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id, request_id,
    details)
VALUES (:actor_type, :actor_id, :actor_brand_id, :event_type, :entity_type, :entity_id, :brand_id,
        :request_id, :details::jsonb);

-- name: remember_answer!
INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
VALUES (:brand_id, :caller, :route, :key, :fingerprint, :outcome, :answer::jsonb);

-- name: remember_refusal^
-- No row where the key was used already: the answer that stands there is then the answer.
INSERT INTO booking.idempotency (brand_id, caller, route, key, fingerprint, outcome, answer)
VALUES (:brand_id, :caller, :route, :key, :fingerprint, :outcome, :answer::jsonb)
ON CONFLICT ON CONSTRAINT idempotency_key_once DO NOTHING
RETURNING outcome;

-- name: claim_key$
-- No row where somebody else is at it, and has not been for too long.
INSERT INTO booking.idempotency AS held (brand_id, caller, route, key, fingerprint, outcome, answer)
VALUES (:brand_id, :caller, :route, :key, :fingerprint, 'under_way', '{}')
ON CONFLICT ON CONSTRAINT idempotency_key_once DO UPDATE
SET created_at = booking.now()
WHERE held.created_at <= booking.now() - :lease::interval
RETURNING outcome;

-- name: unclaim_key!
DELETE FROM booking.idempotency
WHERE brand_id = :brand_id AND caller = :caller AND route = :route AND key = :key;

-- name: recall_answer^
SELECT fingerprint, outcome, answer
FROM booking.idempotency
WHERE brand_id = :brand_id AND caller = :caller AND route = :route AND key = :key;

-- name: sweep_answers!
-- excused: every brand's old keys go. Until it is swept, a key is honoured.
DELETE FROM booking.idempotency
WHERE ctid IN (
    SELECT ctid FROM booking.idempotency
    WHERE created_at < booking.now() - interval '24 hours'
    ORDER BY created_at
    LIMIT :row_limit
    FOR UPDATE SKIP LOCKED);

-- name: write_journal!
-- Many changes of one call: an event where others hear of it, and an audit row each, in their order.
WITH told AS MATERIALIZED (
    SELECT *
    FROM jsonb_to_recordset(:changes::jsonb) AS w (
        position integer, event_id text, event_type text, data jsonb, sequence integer,
        audit_type text, entity_type text, entity_id text, details jsonb)
), event AS (
    INSERT INTO booking.event (event_id, brand_id, event_type, entity_id, sequence, data)
    SELECT event_id, :brand_id, event_type, entity_id, sequence, data
    FROM told
    WHERE event_type IS NOT NULL
    ORDER BY position
)
INSERT INTO booking.audit (
    actor_type, actor_id, actor_brand_id, event_type, entity_type, entity_id, brand_id, request_id,
    details)
SELECT :actor_type, :actor_id, :actor_brand_id, audit_type, entity_type, entity_id, :brand_id,
       :request_id, details
FROM told
ORDER BY position;
