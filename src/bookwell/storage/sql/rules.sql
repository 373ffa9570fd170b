-- name: judge_time^
-- One time of one provider, judged by the booking rules with every fact behind them: the slot named,
-- or what begins at starts_at; of several slots that begin then, the one that breaks the fewest
-- rules. Where none begins, the time is judged all the same, and breaks `hours`. No row where the
-- provider is no clinician of the brand, or there is no such slot.
WITH named AS MATERIALIZED (
    SELECT provider_no
    FROM booking.slot
    WHERE brand_id = :brand_id AND slot_id = :slot_id::text AND deleted_at IS NULL
    UNION ALL
    SELECT provider_no
    FROM booking.provider
    WHERE :slot_id IS NULL AND provider_id = :provider_id::text
), provider AS MATERIALIZED (
    SELECT p.provider_no, p.provider_id
    FROM booking.affiliation AS a
    JOIN booking.provider AS p USING (provider_no)
    WHERE a.brand_id = :brand_id AND p.kind = 'clinician'
        AND p.provider_no = (SELECT provider_no FROM named)
), term AS MATERIALIZED (
    SELECT terms.*
    FROM provider
    CROSS JOIN LATERAL booking.terms_for(:brand_id, :visit_type::text, provider.provider_no) AS terms
), asked AS MATERIALIZED (
    -- A slot that its schedule offers no more waits for its visit to end, and is for no type; but
    -- for that visit itself, which may be held, it is as it was.
    SELECT slot_id, starts_at, ends_at,
           CASE WHEN is_withdrawn AND slot_id IS DISTINCT FROM (
               SELECT slot_id FROM booking.visit
               WHERE brand_id = :brand_id AND visit_id = :ignored_visit::text)
               THEN '{}' ELSE visit_types END AS visit_types,
           rule_id
    FROM booking.slot
    WHERE brand_id = :brand_id AND slot_id = :slot_id AND deleted_at IS NULL
    UNION ALL
    SELECT slot_id, starts_at, ends_at, CASE WHEN is_withdrawn THEN '{}' ELSE visit_types END,
           rule_id
    FROM booking.slot
    WHERE brand_id = :brand_id AND provider_no = (SELECT provider_no FROM provider)
        AND starts_at = :starts_at::timestamptz AND deleted_at IS NULL AND :slot_id IS NULL
    UNION ALL
    SELECT NULL, :starts_at,
           :starts_at + make_interval(mins => coalesce((SELECT duration_minutes FROM term), 30)),
           '{}', NULL
    WHERE :slot_id IS NULL AND NOT EXISTS (
        SELECT FROM booking.slot
        WHERE brand_id = :brand_id AND provider_no = (SELECT provider_no FROM provider)
            AND starts_at = :starts_at AND deleted_at IS NULL)
), question AS MATERIALIZED (
    SELECT booking.now() AS now,
           coalesce(:asked_at::timestamptz, booking.now()) AS asked_at,
           :visit_type IS NOT NULL AND NOT EXISTS (SELECT FROM term)
           AND EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id) AS is_unknown_type
), known AS MATERIALIZED (
    SELECT provider.provider_no, provider.provider_id, asked.*, question.*, terms, facts.*, taken.*
    FROM provider
    CROSS JOIN question
    CROSS JOIN asked
    LEFT JOIN LATERAL booking.terms_for(:brand_id, :visit_type, provider.provider_no) AS terms ON true
    CROSS JOIN LATERAL booking.facts_for(
        :brand_id, provider.provider_no, :patient_id::text, :visit_type, terms,
        asked.starts_at, asked.ends_at, :ignored_visit::text) AS facts
    CROSS JOIN LATERAL booking.taken_for(
        provider.provider_no,
        asked.starts_at - make_interval(mins => coalesce(terms.buffer_before_minutes, 0)),
        asked.ends_at + make_interval(mins => coalesce(terms.buffer_after_minutes, 0)),
        :ignored_visit) AS taken
)
SELECT provider_no, provider_id, slot_id, rule_id, starts_at, ends_at, now, asked_at,
       (terms).terms_no, to_jsonb(terms) AS terms,
       away, licensed, patient_full, provider_full, held, busy, broken
FROM known
CROSS JOIN LATERAL (
    SELECT booking.broken_rules(
        :visit_type, :by_patient::boolean, asked_at, starts_at, ends_at, visit_types, terms,
        is_unknown_type, away, licensed, patient_full, provider_full, held, busy) AS broken
    OFFSET 0) AS verdict
ORDER BY cardinality(broken), slot_id
LIMIT 1;
