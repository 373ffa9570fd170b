-- name: find_slots^
-- A page of the slots that may be booked and begin in [from_at, until_at), by (start, id). The facts
-- of the window are gathered once for each provider and held against each slot in memory; a provider
-- is left as soon as a page is full, so a page costs little more than it has.
-- Where only some times of the week are wanted, zone_names and zone_times say which instants those
-- are in each zone; a slot's zone is time_zone, or that of its schedule. A visit that is moved keeps
-- its type, also one that its brand no longer has, and leaves its slot.
WITH question AS MATERIALIZED (
    SELECT booking.now() AS now,
           :visit_type::text IS NOT NULL AND NOT :keeps_type::boolean
               AND NOT EXISTS (
                   SELECT FROM booking.visit_type
                   WHERE brand_id = :brand_id AND visit_type = :visit_type AND retired_at IS NULL)
               AND EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id)
               AS is_unknown_type,
           :patient_id::text IS NULL OR EXISTS (
               SELECT FROM booking.patient
               WHERE brand_id = :brand_id AND patient_id = :patient_id) AS is_known_patient
), provider AS MATERIALIZED (
    SELECT p.provider_no, p.provider_id
    FROM booking.provider AS p
    JOIN booking.affiliation AS a ON a.provider_no = p.provider_no AND a.brand_id = :brand_id
    WHERE p.provider_id = ANY (:provider_ids::text[]) AND p.kind = 'clinician'
    UNION ALL
    SELECT p.provider_no, p.provider_id
    FROM booking.affiliation AS a
    JOIN booking.provider AS p USING (provider_no)
    WHERE :provider_ids IS NULL AND a.brand_id = :brand_id AND p.kind = 'clinician'
), wanted AS MATERIALIZED (
    SELECT time_zone, times::tstzmultirange AS times
    FROM unnest(:zone_names::text[], :zone_times::text[]) AS w (time_zone, times)
), open AS MATERIALIZED (
    -- Of many providers most have nothing in a short window, and then nothing is gathered for them.
    SELECT provider.*
    FROM question
    CROSS JOIN provider
    CROSS JOIN LATERAL (
        SELECT FROM booking.slot AS s
        WHERE s.brand_id = :brand_id
            AND s.provider_no = provider.provider_no
            AND s.deleted_at IS NULL AND NOT s.is_withdrawn
            AND s.starts_at >= greatest(:from_at::timestamptz, question.now)
            AND s.starts_at < :until_at::timestamptz
        LIMIT 1) AS any_slot
    WHERE question.is_known_patient
), page AS MATERIALIZED (
    SELECT provider.provider_no, provider.provider_id, slot.*
    FROM question
    CROSS JOIN open AS provider
    LEFT JOIN LATERAL booking.terms_for(:brand_id, :visit_type, provider.provider_no) AS terms
        ON true
    CROSS JOIN LATERAL booking.facts_for(
        :brand_id, provider.provider_no, :patient_id, :visit_type, terms,
        :from_at, :until_at + interval '1 day', :ignored_visit::text) AS facts
    CROSS JOIN LATERAL booking.taken_for(
        provider.provider_no,
        :from_at - make_interval(mins => coalesce(terms.buffer_before_minutes, 0)),
        :until_at + interval '1 day'
            + make_interval(mins => coalesce(terms.buffer_after_minutes, 0)),
        :ignored_visit) AS taken
    CROSS JOIN LATERAL (
        SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id
        FROM booking.slot AS s
        WHERE s.brand_id = :brand_id
            AND s.provider_no = provider.provider_no
            AND s.deleted_at IS NULL AND NOT s.is_withdrawn
            AND s.starts_at >= greatest(:from_at, question.now)
            AND s.starts_at < :until_at
            AND (s.starts_at, s.slot_id) > (:after_at::timestamptz, :after_id::text)
            AND s.slot_id IS DISTINCT FROM :left_slot::text
            AND (:zone_names IS NULL OR (
                SELECT wanted.times @> s.starts_at
                FROM wanted
                WHERE wanted.time_zone = coalesce(:time_zone::text, (
                    SELECT zone.time_zone
                    FROM booking.zone_for(:brand_id, s.provider_no, s.rule_id) AS zone))))
            AND booking.broken_rules(
                :visit_type, :by_patient::boolean, question.now, s.starts_at, s.ends_at,
                s.visit_types, terms, question.is_unknown_type, facts.away, facts.licensed,
                facts.patient_full, facts.provider_full, taken.held, taken.busy) = '{}'
        ORDER BY s.starts_at, s.slot_id
        LIMIT :row_limit::bigint) AS slot
    ORDER BY slot.starts_at, slot.slot_id
    LIMIT :row_limit
), zone AS MATERIALIZED (
    SELECT provider_no, coalesce(rule_id, '') AS rule, zone.time_zone
    FROM (SELECT DISTINCT provider_no, rule_id FROM page WHERE :time_zone IS NULL) AS place
    CROSS JOIN LATERAL booking.zone_for(:brand_id, provider_no, rule_id) AS zone
), zoned AS (
    SELECT slot_id, provider_id, starts_at, ends_at, rule_id,
           coalesce(:time_zone, zone.time_zone) AS time_zone
    FROM page
    LEFT JOIN zone ON zone.provider_no = page.provider_no AND zone.rule = coalesce(rule_id, '')
)
SELECT is_unknown_type, EXISTS (SELECT FROM provider) AS knows_a_provider,
       (SELECT coalesce(json_agg(zoned ORDER BY starts_at, slot_id), '[]') FROM zoned) AS page
FROM question;

-- name: find_first_slots^
-- As find_slots, but of each provider only the first slot. It looks at four slots of a provider, with
-- the facts of those, and where none of them may be booked at the next sixteen, and so on. Those who
-- have nothing (any more) drop out.
WITH RECURSIVE question AS MATERIALIZED (
    SELECT booking.now() AS now,
           :visit_type::text IS NOT NULL AND NOT :keeps_type::boolean
               AND NOT EXISTS (
                   SELECT FROM booking.visit_type
                   WHERE brand_id = :brand_id AND visit_type = :visit_type AND retired_at IS NULL)
               AND EXISTS (SELECT FROM booking.visit_type WHERE brand_id = :brand_id)
               AS is_unknown_type,
           :patient_id::text IS NULL OR EXISTS (
               SELECT FROM booking.patient
               WHERE brand_id = :brand_id AND patient_id = :patient_id) AS is_known_patient
), provider AS MATERIALIZED (
    SELECT p.provider_no, p.provider_id
    FROM booking.provider AS p
    JOIN booking.affiliation AS a ON a.provider_no = p.provider_no AND a.brand_id = :brand_id
    WHERE p.provider_id = ANY (:provider_ids::text[]) AND p.kind = 'clinician'
    UNION ALL
    SELECT p.provider_no, p.provider_id
    FROM booking.affiliation AS a
    JOIN booking.provider AS p USING (provider_no)
    WHERE :provider_ids IS NULL AND a.brand_id = :brand_id AND p.kind = 'clinician'
), wanted AS MATERIALIZED (
    SELECT time_zone, times::tstzmultirange AS times
    FROM unnest(:zone_names::text[], :zone_times::text[]) AS w (time_zone, times)
), type AS MATERIALIZED (
    -- What terms_for says, for hundreds of providers at once: the type's terms are looked up once,
    -- and only those who have an override have others.
    SELECT terms FROM booking.terms_for(:brand_id, :visit_type, NULL) AS terms
), asked AS MATERIALIZED (
    SELECT provider.provider_no, provider.provider_id, coalesce(own, type.terms) AS terms
    FROM question
    CROSS JOIN provider
    LEFT JOIN type ON true
    LEFT JOIN booking.visit_type_override AS o
        ON o.brand_id = :brand_id AND o.visit_type = :visit_type
        AND o.provider_no = provider.provider_no
    LEFT JOIN booking.terms AS own ON own.terms_no = o.terms_no
    WHERE question.is_known_patient
), looked AS (
    SELECT provider_no, provider_id, terms, greatest(:from_at::timestamptz, question.now) AS reached,
           4 AS chunk, NULL::text COLLATE "C" AS slot_id, NULL::timestamptz AS starts_at,
           NULL::timestamptz AS ends_at, NULL::text COLLATE "C" AS rule_id
    FROM question
    CROSS JOIN asked
    UNION ALL
    -- Slots that begin when the last of a chunk does are looked at again, for some may not have been
    -- in it. As each chunk is larger than the one before, there is always a next one.
    SELECT l.provider_no, l.provider_id, l.terms,
           CASE WHEN next.amount < l.chunk THEN 'infinity' ELSE next.last_at END, 4 * l.chunk,
           found.*
    FROM looked AS l
    CROSS JOIN question
    CROSS JOIN LATERAL (
        SELECT min(starts_at) AS first_at, max(starts_at) AS last_at, max(ends_at) AS over_at,
               count(*) AS amount
        FROM (
            SELECT s.starts_at, s.ends_at
            FROM booking.slot AS s
            WHERE s.brand_id = :brand_id
                AND s.provider_no = l.provider_no
                AND s.deleted_at IS NULL AND NOT s.is_withdrawn
                AND s.starts_at >= l.reached
                AND s.starts_at < :until_at::timestamptz
            ORDER BY s.starts_at, s.slot_id
            LIMIT l.chunk) AS chunk
        HAVING count(*) > 0) AS next
    CROSS JOIN LATERAL booking.facts_for(
        :brand_id, l.provider_no, :patient_id, :visit_type, l.terms, next.first_at, next.over_at,
        :ignored_visit::text) AS facts
    CROSS JOIN LATERAL booking.taken_for(
        l.provider_no,
        next.first_at - make_interval(mins => coalesce((l.terms).buffer_before_minutes, 0)),
        next.over_at + make_interval(mins => coalesce((l.terms).buffer_after_minutes, 0)),
        :ignored_visit) AS taken
    LEFT JOIN LATERAL (
        SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id
        FROM (
            SELECT *
            FROM booking.slot AS s
            WHERE s.brand_id = :brand_id
                AND s.provider_no = l.provider_no
                AND s.deleted_at IS NULL AND NOT s.is_withdrawn
                AND s.starts_at >= next.first_at
                AND s.starts_at <= next.last_at
            ORDER BY s.starts_at, s.slot_id
            LIMIT l.chunk) AS s
        WHERE s.slot_id IS DISTINCT FROM :left_slot::text
            AND (:zone_names IS NULL OR (
                SELECT wanted.times @> s.starts_at
                FROM wanted
                WHERE wanted.time_zone = coalesce(:time_zone::text, (
                    SELECT zone.time_zone
                    FROM booking.zone_for(:brand_id, s.provider_no, s.rule_id) AS zone))))
            AND booking.broken_rules(
                :visit_type, :by_patient::boolean, question.now, s.starts_at, s.ends_at,
                s.visit_types, l.terms, question.is_unknown_type, facts.away, facts.licensed,
                facts.patient_full, facts.provider_full, taken.held, taken.busy) = '{}'
        ORDER BY s.starts_at, s.slot_id
        LIMIT 1) AS found ON true
    WHERE l.slot_id IS NULL AND l.reached < 'infinity'
), page AS MATERIALIZED (
    SELECT provider_no, provider_id, slot_id, starts_at, ends_at, rule_id
    FROM looked
    WHERE (starts_at, slot_id) > (:after_at::timestamptz, :after_id::text)
    ORDER BY starts_at, slot_id
    LIMIT :row_limit::bigint
), zone AS MATERIALIZED (
    SELECT provider_no, coalesce(rule_id, '') AS rule, zone.time_zone
    FROM (SELECT DISTINCT provider_no, rule_id FROM page WHERE :time_zone IS NULL) AS place
    CROSS JOIN LATERAL booking.zone_for(:brand_id, provider_no, rule_id) AS zone
), zoned AS (
    SELECT slot_id, provider_id, starts_at, ends_at, rule_id,
           coalesce(:time_zone, zone.time_zone) AS time_zone
    FROM page
    LEFT JOIN zone ON zone.provider_no = page.provider_no AND zone.rule = coalesce(rule_id, '')
)
SELECT is_unknown_type, EXISTS (SELECT FROM provider) AS knows_a_provider,
       (SELECT coalesce(json_agg(zoned ORDER BY starts_at, slot_id), '[]') FROM zoned) AS page
FROM question;

-- name: find_nearest_slots$
-- The provider's slots nearest to a time that may be booked: those after it, and where they are too
-- few those before it. It looks at some slots on both sides of the time and no further.
WITH question AS MATERIALIZED (
    SELECT booking.now() AS now, p.provider_no, p.provider_id
    FROM booking.provider AS p
    JOIN booking.affiliation AS a ON a.provider_no = p.provider_no AND a.brand_id = :brand_id
    WHERE p.provider_id = :provider_id AND p.kind = 'clinician'
), near AS MATERIALIZED (
    (SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id, s.visit_types
    FROM booking.slot AS s
    WHERE s.brand_id = :brand_id
        AND s.provider_no = (SELECT provider_no FROM question)
        AND s.deleted_at IS NULL AND NOT s.is_withdrawn
        AND s.starts_at >= greatest(:near_at::timestamptz, (SELECT now FROM question))
    ORDER BY s.starts_at, s.slot_id
    LIMIT :look_at::bigint)
    UNION ALL
    (SELECT s.slot_id, s.starts_at, s.ends_at, s.rule_id, s.visit_types
    FROM booking.slot AS s
    WHERE s.brand_id = :brand_id
        AND s.provider_no = (SELECT provider_no FROM question)
        AND s.deleted_at IS NULL AND NOT s.is_withdrawn
        AND s.starts_at < :near_at
        AND s.starts_at > (SELECT now FROM question)
    ORDER BY s.starts_at DESC, s.slot_id DESC
    LIMIT :look_at)
), span AS MATERIALIZED (
    SELECT min(starts_at) AS first_at, max(ends_at) AS over_at FROM near HAVING count(*) > 0
), known AS MATERIALIZED (
    SELECT question.*, terms, facts.*, taken.*
    FROM question
    CROSS JOIN span
    LEFT JOIN LATERAL booking.terms_for(
        :brand_id, :visit_type::text, question.provider_no) AS terms ON true
    CROSS JOIN LATERAL booking.facts_for(
        :brand_id, question.provider_no, :patient_id::text, :visit_type, terms, span.first_at,
        span.over_at, :ignored_visit::text) AS facts
    CROSS JOIN LATERAL booking.taken_for(
        question.provider_no,
        span.first_at - make_interval(mins => coalesce(terms.buffer_before_minutes, 0)),
        span.over_at + make_interval(mins => coalesce(terms.buffer_after_minutes, 0)),
        :ignored_visit) AS taken
), page AS (
    SELECT near.slot_id, known.provider_id, near.starts_at, near.ends_at, near.rule_id,
           zone.time_zone
    FROM known
    CROSS JOIN near
    CROSS JOIN LATERAL booking.zone_for(:brand_id, known.provider_no, near.rule_id) AS zone
    WHERE booking.broken_rules(
        :visit_type, :by_patient::boolean, known.now, near.starts_at, near.ends_at,
        near.visit_types, known.terms, false, known.away, known.licensed, known.patient_full,
        known.provider_full, known.held, known.busy) = '{}'
    ORDER BY near.starts_at < :near_at,
             greatest(near.starts_at - :near_at, :near_at - near.starts_at), near.slot_id
    LIMIT :row_limit::bigint
)
SELECT coalesce(json_agg(page), '[]') FROM page;

-- name: list_schedule_zones
-- The zones in which a brand's providers keep their weeks.
SELECT DISTINCT time_zone FROM booking.schedule WHERE brand_id = :brand_id;

-- name: read_wanted_type^
-- What is known of a visit type without its provider: nothing of any provider is read, so one of
-- another brand and one who never was are alike.
SELECT to_jsonb(terms) AS terms,
       terms IS NULL AND EXISTS (
           SELECT FROM booking.visit_type WHERE brand_id = :brand_id) AS is_unknown,
       booking.now() AS now
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL booking.terms_for(:brand_id, :visit_type::text, NULL) AS terms ON true;
