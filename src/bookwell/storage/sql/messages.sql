-- name: claim_messages
-- excused: whatever brand's message is due first
-- Messages to try now, leased so that nobody else does, each looked at again: what is no longer to
-- be sent is dropped, and what is about a start that its visit has left waits, because the visit may
-- come back to it and is not told of it a second time; once that start is past it is dropped too.
-- The visit's own lock is not needed: who cancels a moment later is as late as after any message.
WITH due AS MATERIALIZED (
    SELECT m.visit_id, m.starts_at, m.offset_minutes,
           v.starts_at <> m.starts_at AS is_elsewhere,
           CASE
               WHEN v.status <> 'booked' THEN 'visit_' || v.status
               WHEN m.starts_at <= booking.now() THEN
                   CASE WHEN v.starts_at <> m.starts_at THEN 'visit_moved' ELSE 'too_late' END
               WHEN EXISTS (
                   SELECT FROM booking.reminder AS r
                   WHERE r.visit_id = m.visit_id AND r.starts_at = m.starts_at
                       AND r.offset_minutes < m.offset_minutes AND r.skipped_because IS NULL
               ) THEN 'superseded'
           END AS dropped_because,
           coalesce(p.time_zone, t.time_zone, 'UTC') AS time_zone, v.patient_id, r.channel,
           r.template_key, m.starts_at - booking.now() AS time_left
    FROM booking.message AS m
    JOIN booking.visit AS v USING (visit_id)
    JOIN booking.patient AS p ON p.brand_id = v.brand_id AND p.patient_id = v.patient_id
    JOIN booking.reminder AS r
        ON r.visit_id = m.visit_id AND r.starts_at = m.starts_at
        AND r.offset_minutes = m.offset_minutes
    LEFT JOIN booking.terms AS t ON t.terms_no = v.terms_no
    WHERE m.status = 'waiting'
        AND m.next_attempt_at <= pg_catalog.clock_timestamp()
        AND (m.leased_until IS NULL OR m.leased_until <= pg_catalog.clock_timestamp())
    ORDER BY m.next_attempt_at
    LIMIT :row_limit
    FOR NO KEY UPDATE OF m SKIP LOCKED
), claimed AS (
    UPDATE booking.message AS m
    SET status = CASE WHEN due.dropped_because IS NULL THEN 'waiting' ELSE 'dropped' END,
        cause = CASE WHEN due.dropped_because IS NOT NULL THEN due.dropped_because
                     WHEN due.is_elsewhere THEN 'visit_moved'
                     ELSE m.cause END,
        settled_at = CASE WHEN due.dropped_because IS NOT NULL THEN booking.now() END,
        attempts = m.attempts + CASE WHEN what.is_tried THEN 1 ELSE 0 END,
        next_attempt_at = CASE
            WHEN due.is_elsewhere THEN pg_catalog.clock_timestamp() + :elsewhere::interval
            ELSE m.next_attempt_at END,
        leased_until = CASE WHEN what.is_tried
                            THEN pg_catalog.clock_timestamp() + :lease::interval END
    FROM due
    CROSS JOIN LATERAL (
        SELECT due.dropped_because IS NULL AND NOT due.is_elsewhere AS is_tried) AS what
    WHERE m.visit_id = due.visit_id AND m.starts_at = due.starts_at
        AND m.offset_minutes = due.offset_minutes
    RETURNING m.*, what.is_tried, due.time_zone, due.patient_id, due.channel, due.template_key,
              due.time_left
)
SELECT c.brand_id, c.visit_id, c.starts_at, c.offset_minutes, c.attempts, c.is_tried,
       c.time_zone, c.patient_id, c.channel, c.template_key, c.time_left, booking.now() AS now,
       q.wall_from, q.wall_until, coalesce(q.is_on, false) AS is_on
FROM claimed AS c
LEFT JOIN booking.quiet_hours AS q USING (brand_id);

-- name: settle_message!
-- Only whoever holds the lease of this attempt says what came of it; but what was taken was taken,
-- however late we hear of it.
UPDATE booking.message
SET status = :status,
    cause = :cause,
    settled_at = CASE WHEN :status <> 'waiting' THEN booking.now() END,
    attempts = CASE WHEN :was_tried::boolean THEN attempts ELSE attempts - 1 END,
    next_attempt_at = pg_catalog.clock_timestamp() + :wait::interval,
    leased_until = NULL
WHERE brand_id = :brand_id
    AND visit_id = :visit_id
    AND starts_at = :starts_at
    AND offset_minutes = :offset_minutes
    AND (attempts = :attempt AND status = 'waiting'
        OR :status = 'sent' AND status <> 'sent');
