-- name: claim_deliveries
-- excused: each worker sends for every brand
-- Takes deliveries that are due into this worker's hands, of each endpoint as many as it has room
-- for, and answers them with their events. One whose line has an earlier one that is still pending
-- is put behind that one, so that it is not looked at again and again. A delivery that somebody had
-- in hand for too long is taken over; what came of their attempt nobody knows.
WITH RECURSIVE waiting AS (
    -- From endpoint to endpoint by the index: what has nothing pending costs nothing. The whole order
    -- is named, because another index has the first of it too, and all that was ever delivered.
    (SELECT endpoint_id
     FROM booking.delivery
     WHERE settled_at IS NULL
     ORDER BY endpoint_id, next_attempt_at, delivery_no
     LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id
            FROM booking.delivery AS d
            WHERE d.settled_at IS NULL AND d.endpoint_id > waiting.endpoint_id
            ORDER BY d.endpoint_id, d.next_attempt_at, d.delivery_no
            LIMIT 1)
    FROM waiting
    WHERE waiting.endpoint_id IS NOT NULL
), receiver AS MATERIALIZED (
    SELECT w.endpoint_id, w.url, w.format, w.secret,
           CASE WHEN w.previous_secret_until > booking.now() THEN w.previous_secret END
               AS previous_secret,
           coalesce(known.room, :room_at_first) AS room
    FROM waiting
    JOIN booking.webhook_endpoint AS w USING (endpoint_id)
    LEFT JOIN unnest(:endpoint_ids::text[], :rooms::integer[]) AS known (endpoint_id, room)
        USING (endpoint_id)
    WHERE w.deleted_at IS NULL
        AND w.disabled_at IS NULL
        AND (w.paused_until IS NULL OR w.paused_until <= booking.now())
        AND coalesce(known.room, :room_at_first) > 0
    ORDER BY random()
), due AS MATERIALIZED (
    SELECT d.*, receiver.room
    FROM receiver
    CROSS JOIN LATERAL (
        SELECT delivery_no, brand_id, endpoint_id, entity_id, attempts, leased_by, leased_until
        FROM booking.delivery
        WHERE endpoint_id = receiver.endpoint_id
            AND settled_at IS NULL
            AND next_attempt_at <= booking.now()
            AND (leased_until IS NULL OR leased_until <= booking.now())
        ORDER BY next_attempt_at, delivery_no
        LIMIT receiver.room + :slack
        FOR UPDATE SKIP LOCKED
    ) AS d
), judged AS MATERIALIZED (
    SELECT due.*, earlier.delivery_no AS earlier_no, earlier.next_attempt_at AS earlier_at,
           row_number() OVER (
               PARTITION BY due.endpoint_id, earlier.delivery_no IS NULL ORDER BY due.delivery_no)
               AS turn
    FROM due
    LEFT JOIN LATERAL (
        SELECT e.delivery_no, e.next_attempt_at
        FROM booking.delivery AS e
        WHERE e.endpoint_id = due.endpoint_id
            AND e.entity_id = due.entity_id
            AND e.status = 'pending'
            -- Not by the key, which has the order but all deliveries there are.
            AND e.delivery_no + 0 < due.delivery_no
        ORDER BY e.delivery_no + 0
        LIMIT 1
    ) AS earlier ON true
), chosen AS MATERIALIZED (
    SELECT *
    FROM judged
    WHERE earlier_no IS NULL AND turn <= room
    LIMIT :row_limit
), put_behind AS (
    -- By an array, here and below: a join with so many as may be looked at would be planned as one
    -- with all deliveries that there are.
    UPDATE booking.delivery AS d
    SET next_attempt_at = greatest(
            booking.now() + :behind_for::interval,
            (SELECT earlier_at FROM judged WHERE judged.delivery_no = d.delivery_no))
    WHERE d.delivery_no = ANY (ARRAY(SELECT delivery_no FROM judged WHERE earlier_no IS NOT NULL))
), lost AS (
    INSERT INTO booking.delivery_attempt (
        delivery_no, attempt, brand_id, attempted_at, duration_ms, cause)
    SELECT delivery_no, attempts, brand_id, leased_until - :lease::interval, 0, 'interrupted'
    FROM chosen
    WHERE leased_by IS NOT NULL AND attempts > 0
    ON CONFLICT ON CONSTRAINT delivery_attempt_once DO NOTHING
), claimed AS (
    UPDATE booking.delivery AS d
    SET attempts = d.attempts + 1,
        leased_by = :worker_id,
        leased_until = booking.now() + :lease::interval
    WHERE d.delivery_no = ANY (ARRAY(SELECT delivery_no FROM chosen))
    RETURNING d.delivery_no, d.brand_id, d.endpoint_id, d.event_id, d.event_type, d.entity_id,
              d.position, d.attempts
)
SELECT c.delivery_no, c.attempts, c.brand_id, c.endpoint_id, c.event_id, c.event_type, c.entity_id,
       c.position, e.sequence, e.occurred_at, e.data,
       r.url, r.format, r.secret, r.previous_secret
FROM claimed AS c
JOIN receiver AS r USING (endpoint_id)
-- One by one: a join would be planned as one with all events there are, as soon as there are few.
LEFT JOIN LATERAL (
    SELECT sequence, occurred_at, data
    FROM booking.event
    WHERE brand_id = c.brand_id AND position = c.position
    LIMIT 1
) AS e ON true
ORDER BY c.delivery_no;

-- name: renew_deliveries
-- excused: each worker sends for every brand
-- Answers those that this worker still has in hand.
UPDATE booking.delivery
SET leased_until = booking.now() + :lease::interval
WHERE delivery_no = ANY (:delivery_nos::bigint[])
    AND leased_by = :worker_id
    AND status = 'pending'
RETURNING delivery_no;

-- name: finish_deliveries
-- excused: each worker sends for every brand
-- Writes down what came of attempts, each only while it is still this worker's: whoever took one
-- over decides about it. Answers each endpoint that takes deliveries again after a long time.
WITH result AS (
    SELECT *
    FROM unnest(:delivery_nos::bigint[], :attempts::integer[], :outcomes::text[],
                :http_statuses::integer[], :causes::text[], :durations_ms::integer[],
                :waits::interval[], :pauses::interval[])
        AS r (delivery_no, attempt, outcome, http_status, cause, duration_ms, wait, pause)
), own AS MATERIALIZED (
    SELECT d.brand_id, d.endpoint_id, d.entity_id, result.*,
           CASE WHEN result.outcome = 'delivered' THEN 'delivered'
                WHEN result.outcome = 'given_up' THEN 'failed'
                WHEN booking.now() >= d.created_at + :tried_for::interval THEN 'failed'
                ELSE 'pending' END AS status,
           -- The last try is at the very end of the days that it is tried for.
           least(booking.now() + result.wait,
                 greatest(d.created_at + :tried_for::interval, booking.now())) AS next_attempt_at
    FROM (SELECT * FROM result ORDER BY delivery_no) AS result
    -- One by one, as above; and whether it is pending is looked at afterwards, or an index of all
    -- that is pending would seem as good.
    CROSS JOIN LATERAL (
        SELECT *
        FROM booking.delivery
        WHERE delivery_no = result.delivery_no
        LIMIT 1
        FOR UPDATE
    ) AS d
    WHERE d.status = 'pending' AND d.leased_by = :worker_id AND d.attempts = result.attempt
), settled AS (
    UPDATE booking.delivery AS d
    SET status = own.status,
        next_attempt_at = own.next_attempt_at,
        settled_at = CASE WHEN own.status <> 'pending' THEN booking.now() END,
        leased_by = NULL,
        leased_until = NULL
    FROM own
    WHERE d.delivery_no = own.delivery_no
        AND d.delivery_no = ANY (ARRAY(SELECT delivery_no FROM own))
), next AS MATERIALIZED (
    SELECT n.delivery_no
    FROM own
    CROSS JOIN LATERAL (
        SELECT n.delivery_no
        FROM booking.delivery AS n
        WHERE n.endpoint_id = own.endpoint_id
            AND n.entity_id = own.entity_id
            AND n.status = 'pending'
            AND n.delivery_no + 0 > own.delivery_no
        ORDER BY n.delivery_no + 0
        LIMIT 1
    ) AS n
    WHERE own.status <> 'pending'
), next_in_line AS (
    UPDATE booking.delivery AS d
    SET next_attempt_at = booking.now()
    WHERE d.delivery_no = ANY (ARRAY(SELECT delivery_no FROM next))
        AND d.next_attempt_at > booking.now()
), attempt AS (
    INSERT INTO booking.delivery_attempt (
        delivery_no, attempt, brand_id, attempted_at, duration_ms, http_status, cause)
    SELECT delivery_no, attempt, brand_id,
           booking.now() - make_interval(secs => duration_ms / 1000.0), duration_ms, http_status,
           cause
    FROM own
    ON CONFLICT ON CONSTRAINT delivery_attempt_once DO NOTHING
), counted AS (
    INSERT INTO booking.delivery_count AS c (brand_id, endpoint_id, outcome, attempt_count)
    SELECT brand_id, endpoint_id, CASE WHEN outcome = 'delivered' THEN outcome ELSE 'failed' END,
           count(*)
    FROM own
    GROUP BY 1, 2, 3
    ORDER BY 2, 3
    ON CONFLICT ON CONSTRAINT delivery_count_once DO UPDATE
    SET attempt_count = c.attempt_count + excluded.attempt_count
), told AS (
    SELECT endpoint_id, bool_or(outcome = 'delivered') AS has_taken,
           bool_or(http_status = 410) AS is_gone, max(pause) AS pause
    FROM own
    GROUP BY endpoint_id
), receiver AS (
    SELECT w.endpoint_id, w.failing_since, told.has_taken, told.pause,
           told.is_gone AND w.disabled_at IS NULL AS is_disabled_now
    FROM told
    JOIN booking.webhook_endpoint AS w USING (endpoint_id)
    WHERE w.deleted_at IS NULL
        AND (told.has_taken = (w.failing_since IS NOT NULL)
             OR told.pause IS NOT NULL
             OR (told.is_gone AND w.disabled_at IS NULL))
    ORDER BY w.endpoint_id
    FOR NO KEY UPDATE OF w
), endpoint AS (
    UPDATE booking.webhook_endpoint AS w
    SET failing_since = CASE
            WHEN NOT receiver.has_taken THEN coalesce(w.failing_since, booking.now()) END,
        paused_until = CASE
            WHEN receiver.pause IS NULL THEN w.paused_until
            ELSE greatest(w.paused_until, booking.now() + receiver.pause) END,
        disabled_at = CASE
            WHEN receiver.is_disabled_now THEN booking.now() ELSE w.disabled_at END,
        disabled_because = CASE
            WHEN receiver.is_disabled_now THEN 'gone' ELSE w.disabled_because END,
        updated_at = CASE
            WHEN receiver.is_disabled_now THEN booking.now() ELSE w.updated_at END,
        version = w.version + CASE WHEN receiver.is_disabled_now THEN 1 ELSE 0 END
    FROM receiver
    WHERE w.endpoint_id = receiver.endpoint_id
    RETURNING w.endpoint_id, w.brand_id, w.version, receiver.is_disabled_now
), audit AS (
    INSERT INTO booking.audit (
        actor_type, actor_id, event_type, entity_type, entity_id, brand_id, request_id, details)
    SELECT 'system', 'bookwell', 'webhook_endpoint.disabled', 'webhook_endpoint', endpoint_id,
           brand_id, :request_id, jsonb_build_object('disabled_because', 'gone', 'version', version)
    FROM endpoint
    WHERE is_disabled_now
)
SELECT endpoint_id
FROM receiver
WHERE has_taken AND failing_since < booking.now() - :recovered_after::interval;

-- name: pull_deliveries_forward$
-- excused: each worker sends for every brand
-- The next ones of an endpoint that wait for their time are due now. Answers how many there were.
WITH later AS (
    SELECT delivery_no
    FROM booking.delivery
    WHERE endpoint_id = :endpoint_id AND settled_at IS NULL AND next_attempt_at > booking.now()
    ORDER BY next_attempt_at, delivery_no
    LIMIT :row_limit
    FOR UPDATE SKIP LOCKED
), pulled AS (
    UPDATE booking.delivery AS d
    SET next_attempt_at = booking.now()
    WHERE d.delivery_no = ANY (ARRAY(SELECT delivery_no FROM later))
    RETURNING d.delivery_no
)
SELECT count(*) FROM pulled;

-- name: start_test_delivery^
-- One that is in this worker's hands from the beginning, and that no other will ever take: it is
-- over after one attempt.
INSERT INTO booking.delivery (
    brand_id, endpoint_id, event_id, event_type, entity_id, status, attempts, settled_at)
SELECT brand_id, endpoint_id, :event_id, :event_type, endpoint_id, 'failed', 1, booking.now()
FROM booking.webhook_endpoint
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id AND deleted_at IS NULL
RETURNING delivery_no;

-- name: finish_test_delivery
WITH tested AS (
    UPDATE booking.delivery
    SET status = CASE WHEN :is_delivered THEN 'delivered' ELSE 'failed' END,
        settled_at = booking.now()
    WHERE brand_id = :brand_id AND delivery_no = :delivery_no
    RETURNING delivery_no, brand_id, endpoint_id
), attempt AS (
    INSERT INTO booking.delivery_attempt (
        delivery_no, attempt, brand_id, attempted_at, duration_ms, http_status, cause)
    SELECT delivery_no, 1, brand_id,
           booking.now() - make_interval(secs => :duration_ms::integer / 1000.0),
           :duration_ms::integer, :http_status, :cause
    FROM tested
)
SELECT delivery_no FROM tested;
