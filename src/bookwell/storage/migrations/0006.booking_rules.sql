-- The one rule engine. Whoever offers, takes, moves or explains a time asks these functions.
-- Source: docs/decisions/0022-booking-rules.md; the rules are listed in bookwell.domain.rules.
--
-- Every fact is a set of instants, so every rule is: does this interval lie in that set. PostgreSQL
-- puts each function into the statement that calls it (they are inlined), so they cost no calls.

SET LOCAL lock_timeout = '5s';

-- The terms of a brand's visit type for one provider; no row where the brand has no such type.
CREATE FUNCTION booking.terms_for(brand text, wanted_type text, provider bigint)
    RETURNS SETOF booking.terms
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT t.*
FROM booking.visit_type AS vt
LEFT JOIN booking.visit_type_override AS o
    ON o.brand_id = vt.brand_id AND o.visit_type = vt.visit_type AND o.provider_no = provider
JOIN booking.terms AS t ON t.terms_no = coalesce(o.terms_no, vt.terms_no)
WHERE vt.brand_id = brand AND vt.visit_type = wanted_type AND vt.retired_at IS NULL
$$;

-- The first instant at which a clock in the zone shows this midnight, or what it shows instead if it
-- skips it. Of a midnight that is shown twice, AT TIME ZONE means the second.
CREATE FUNCTION booking.day_begins(midnight timestamp, zone text)
    RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT CASE WHEN ((midnight AT TIME ZONE zone) - interval '1 hour') AT TIME ZONE zone = midnight
       THEN (midnight AT TIME ZONE zone) - interval '1 hour'
       ELSE midnight AT TIME ZONE zone END
$$;

-- The day, week, month or year that begins at this midnight in the zone.
CREATE FUNCTION booking.period_from(midnight timestamp, period text, zone text)
    RETURNS tstzrange
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT tstzrange(booking.day_begins(midnight, zone),
                 booking.day_begins(midnight + ('1 ' || period)::interval, zone))
$$;

-- Whether a provider is there between two instants, and for a patient where one is named.
--   away      when the provider is off
--   licensed  when the provider may see this patient; null where nobody asks
CREATE FUNCTION booking.presence_for(
    brand text, provider bigint, patient text, terms booking.terms,
    from_at timestamptz, until_at timestamptz)
    RETURNS TABLE (away tstzmultirange, licensed tstzmultirange)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT
    (SELECT range_agg(tstzrange(o.starts_at, o.ends_at))
     FROM booking.time_off AS o
     WHERE o.provider_no = provider AND o.brand_id = brand
         AND o.ends_at > from_at AND o.starts_at < until_at),
    CASE WHEN patient IS NOT NULL AND (
        coalesce((terms).licence_required, false)
        OR EXISTS (
            SELECT FROM booking.licence AS l WHERE l.provider_no = provider AND l.brand_id = brand))
    THEN coalesce((
        SELECT range_agg(tstzrange(l.starts_at, l.ends_at) * tstzrange(r.starts_at, r.ends_at))
        FROM booking.licence AS l
        JOIN booking.patient_region AS r
            ON r.brand_id = brand AND r.patient_id = patient AND r.region = l.region
        WHERE l.provider_no = provider AND l.brand_id = brand), '{}') END
$$;

-- presence_for, and what is counted for caps besides.
--   patient_full   when the patient has as many visits of the type as they may
--   provider_full  when the provider has
CREATE FUNCTION booking.facts_for(
    brand text, provider bigint, patient text, wanted_type text, terms booking.terms,
    from_at timestamptz, until_at timestamptz, ignored_visit text)
    RETURNS TABLE (
        away tstzmultirange, licensed tstzmultirange, patient_full tstzmultirange,
        provider_full tstzmultirange)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT presence.away, presence.licensed,
    CASE WHEN (terms).patient_cap IS NOT NULL AND patient IS NOT NULL THEN (
        SELECT range_agg(booking.period_from(begins, cap_period, zone))
        FROM (
            SELECT
                date_trunc((terms).patient_cap_period, v.starts_at AT TIME ZONE (terms).time_zone),
                (terms).patient_cap_period, (terms).time_zone
            FROM booking.visit AS v
            WHERE v.brand_id = brand AND v.patient_id = patient AND v.visit_type = wanted_type
                AND v.status NOT IN ('cancelled', 'expired')
                AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
                AND v.visit_id IS DISTINCT FROM ignored_visit
                AND v.starts_at >= from_at - interval '367 days'
                AND v.starts_at < until_at + interval '367 days'
            GROUP BY 1
            HAVING count(*) >= (terms).patient_cap) AS full_period (begins, cap_period, zone)) END,
    CASE WHEN (terms).provider_day_cap IS NOT NULL THEN (
        SELECT range_agg(booking.period_from(begins, 'day', zone))
        FROM (
            SELECT date_trunc('day', v.starts_at AT TIME ZONE (terms).time_zone), (terms).time_zone
            FROM booking.visit AS v
            WHERE v.provider_no = provider AND v.brand_id = brand AND v.visit_type = wanted_type
                AND v.status NOT IN ('cancelled', 'expired')
                AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
                AND v.visit_id IS DISTINCT FROM ignored_visit
                AND v.starts_at >= from_at - interval '2 days'
                AND v.starts_at < until_at + interval '2 days'
            GROUP BY 1
            HAVING count(*) >= (terms).provider_day_cap) AS full_day (begins, zone)) END
FROM booking.presence_for(brand, provider, patient, terms, from_at, until_at) AS presence
$$;

-- When the provider's time is held, and when it is taken for good, in whatever brand. As the referee
-- lets no two of these visits overlap (buffers included), those that reach into the time are those
-- that begin in it, the last one before and the first one after; so a btree finds them, at a sixth
-- of what the referee's own index costs. None reaches further than two days forward (24 hours and
-- a buffer) or one day back (a buffer).
CREATE FUNCTION booking.taken_for(
    wanted_provider bigint, from_at timestamptz, until_at timestamptz, ignored_visit text)
    RETURNS TABLE (held tstzmultirange, busy tstzmultirange)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT range_agg(during) FILTER (WHERE status = 'held'),
       range_agg(during) FILTER (WHERE status <> 'held')
FROM (
    SELECT v.status,
           tstzrange(coalesce(v.taken_from, v.starts_at), coalesce(v.taken_until, v.ends_at))
               AS during
    FROM booking.visit AS v
    WHERE v.provider_no = wanted_provider
        AND v.status NOT IN ('cancelled', 'expired')
        AND v.status IN ('held', 'booked', 'checked_in')
        AND v.starts_at >= coalesce((
            SELECT b.starts_at
            FROM booking.visit AS b
            WHERE b.provider_no = wanted_provider
                AND b.status NOT IN ('cancelled', 'expired')
                AND b.status IN ('held', 'booked', 'checked_in')
                AND b.starts_at < from_at
                AND b.starts_at >= from_at - interval '2 days'
            ORDER BY b.starts_at DESC
            LIMIT 1), from_at)
        AND v.starts_at <= coalesce((
            SELECT a.starts_at
            FROM booking.visit AS a
            WHERE a.provider_no = wanted_provider
                AND a.status NOT IN ('cancelled', 'expired')
                AND a.status IN ('held', 'booked', 'checked_in')
                AND a.starts_at >= until_at
                AND a.starts_at < until_at + interval '1 day'
            ORDER BY a.starts_at
            LIMIT 1), until_at)
        AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
        AND v.visit_id IS DISTINCT FROM ignored_visit) AS taken
$$;

-- Which rules a visit at this time would break, in the order of bookwell.domain.rules; none where it
-- may be booked. A null fact is one that nobody looked at, and breaks nothing: the statements that
-- take a slot leave held and busy to the referee (visit_provider_no_overlap).
CREATE FUNCTION booking.broken_rules(
    wanted_type text, by_patient boolean, asked_at timestamptz,
    starts_at timestamptz, ends_at timestamptz, slot_types text[],
    terms booking.terms, is_unknown_type boolean,
    away tstzmultirange, licensed tstzmultirange, patient_full tstzmultirange,
    provider_full tstzmultirange, held tstzmultirange, busy tstzmultirange)
    RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT array_remove(ARRAY[
    CASE WHEN is_unknown_type THEN 'visit_type' END,
    CASE WHEN NOT (terms).is_offered THEN 'provider' END,
    CASE WHEN by_patient AND (terms).booked_by = 'staff' THEN 'booker' END,
    CASE WHEN CASE WHEN slot_types IS NULL
                   THEN ends_at - starts_at < make_interval(mins => (terms).duration_minutes)
                   ELSE NOT wanted_type = ANY (slot_types)
                       OR ends_at - starts_at <> make_interval(mins => (terms).duration_minutes) END
         THEN 'hours' END,
    CASE WHEN away && tstzrange(starts_at, ends_at) THEN 'time_off' END,
    CASE WHEN starts_at <= asked_at
              OR starts_at < asked_at + make_interval(mins => (terms).notice_minutes)
         THEN 'notice' END,
    CASE WHEN starts_at > asked_at + make_interval(days => (terms).horizon_days)
         THEN 'horizon' END,
    CASE WHEN NOT licensed @> starts_at THEN 'licence' END,
    CASE WHEN patient_full @> starts_at THEN 'patient_cap' END,
    CASE WHEN provider_full @> starts_at THEN 'provider_cap' END,
    CASE WHEN held && tstzrange(starts_at, ends_at) THEN 'hold' END,
    CASE WHEN busy && tstzrange(starts_at, ends_at) THEN 'busy' END,
    CASE WHEN (terms).buffer_before_minutes + (terms).buffer_after_minutes > 0 AND (
                  (held && tstzrange(starts_at - make_interval(mins => (terms).buffer_before_minutes),
                                     ends_at + make_interval(mins => (terms).buffer_after_minutes))
                   AND NOT held && tstzrange(starts_at, ends_at))
                  OR (busy && tstzrange(starts_at - make_interval(mins => (terms).buffer_before_minutes),
                                        ends_at + make_interval(mins => (terms).buffer_after_minutes))
                      AND NOT busy && tstzrange(starts_at, ends_at)))
         THEN 'buffers' END
]::text[], NULL)
$$;

-- The rules that a held visit would break if it were confirmed now; its own time is ignored, and it
-- is judged as asked for when it was held. What is taken is the referee's. In plpgsql because it is
-- called by name: a plan of its own, kept by the session, costs nothing to those who never call it.
CREATE FUNCTION booking.broken_by_confirming(held booking.visit, by_patient boolean)
    RETURNS text[]
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN (
        SELECT booking.broken_rules(
            held.visit_type, by_patient, held.created_at, held.starts_at, held.ends_at,
            s.visit_types, terms, terms IS NULL,
            facts.away, facts.licensed, facts.patient_full, facts.provider_full, NULL, NULL)
        FROM booking.slot AS s
        LEFT JOIN LATERAL booking.terms_for(
            held.brand_id, held.visit_type, held.provider_no) AS terms ON true
        CROSS JOIN LATERAL booking.facts_for(
            held.brand_id, held.provider_no, held.patient_id, held.visit_type, terms,
            held.starts_at, held.ends_at, held.visit_id) AS facts
        WHERE s.brand_id = held.brand_id AND s.slot_id = held.slot_id);
END
$$;

-- The visits that no licence of their provider covers. What has begun is among them.
CREATE VIEW booking.visit_at_risk AS
SELECT v.visit_id, v.brand_id, v.provider_no, p.provider_id, v.patient_id, v.visit_type,
       v.starts_at,
       (SELECT r.region
        FROM booking.patient_region AS r
        WHERE r.brand_id = v.brand_id AND r.patient_id = v.patient_id
            AND tstzrange(r.starts_at, r.ends_at) @> v.starts_at) AS region
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
LEFT JOIN booking.terms AS t ON t.terms_no = v.terms_no
CROSS JOIN LATERAL booking.presence_for(
    v.brand_id, v.provider_no, v.patient_id, t, v.starts_at, v.ends_at) AS presence
WHERE v.status IN ('held', 'booked', 'checked_in')
    AND (v.status <> 'held' OR v.hold_expires_at > booking.now())
    AND NOT presence.licensed @> v.starts_at;

-- The zone in which a slot is told where nobody names one: its schedule's. Slots posted by hand have
-- their provider's, where all of the provider's schedules for the brand have the same. Else UTC.
CREATE FUNCTION booking.zone_for(brand text, provider bigint, rule text)
    RETURNS TABLE (time_zone text)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
SELECT CASE WHEN min(s.time_zone) = max(s.time_zone) THEN min(s.time_zone)
       ELSE coalesce((
           SELECT min(r.time_zone)
           FROM booking.schedule AS r
           WHERE r.provider_no = provider AND r.brand_id = brand
               AND strpos(r.rules::text, rule) > 0), 'UTC') END
FROM booking.schedule AS s
WHERE s.provider_no = provider AND s.brand_id = brand
$$;
