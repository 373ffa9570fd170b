-- name: lock_visit_types$
-- Changes of a brand's visit types take turns, so that each merges what the one before left.
SELECT brand_id
FROM (SELECT :brand_id::text AS brand_id) AS brand,
     pg_advisory_xact_lock(hashtextextended('booking.visit_type ' || brand_id, 0));

-- name: add_terms!
-- Terms that the brand has already stay as they are: they never change. Caps are counted by the
-- database's own zone data, so a zone that it does not know fails here, and not at a booking.
INSERT INTO booking.terms (
    brand_id, digest, is_offered, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    grid_minutes, notice_minutes, horizon_days, modality, booked_by, licence_required, time_zone,
    patient_cap, patient_cap_period, provider_day_cap, cancel_late_minutes, cancel_cutoff_minutes,
    reschedule_late_minutes, reschedule_cutoff_minutes, late_cancel_price_minor,
    late_cancel_currency)
SELECT :brand_id, decode(t.digest, 'base64'), t.is_offered, t.duration_minutes,
       t.buffer_before_minutes, t.buffer_after_minutes, t.grid_minutes, t.notice_minutes,
       t.horizon_days, t.modality, t.booked_by, t.licence_required, t.time_zone, t.patient_cap,
       t.patient_cap_period, t.provider_day_cap, t.cancel_late_minutes, t.cancel_cutoff_minutes,
       t.reschedule_late_minutes, t.reschedule_cutoff_minutes, t.late_cancel_price_minor,
       t.late_cancel_currency
FROM jsonb_to_recordset(:terms::jsonb) AS t (
    position integer, digest text, is_offered boolean, duration_minutes integer,
    buffer_before_minutes integer, buffer_after_minutes integer, grid_minutes integer,
    notice_minutes integer, horizon_days integer, modality text, booked_by text,
    licence_required boolean, time_zone text, patient_cap integer, patient_cap_period text,
    provider_day_cap integer, cancel_late_minutes integer, cancel_cutoff_minutes integer,
    reschedule_late_minutes integer, reschedule_cutoff_minutes integer,
    late_cancel_price_minor integer, late_cancel_currency text)
WHERE booking.now() AT TIME ZONE t.time_zone IS NOT NULL
ORDER BY t.position
ON CONFLICT ON CONSTRAINT terms_once DO NOTHING;

-- name: find_terms
SELECT digest, terms_no
FROM booking.terms
WHERE brand_id = :brand_id AND digest = ANY (:digests::bytea[]);

-- name: put_visit_type^
-- A new one, or one that was retired and is back with its new terms.
INSERT INTO booking.visit_type AS vt (brand_id, visit_type, name, terms_no)
VALUES (:brand_id, :visit_type, :name, :terms_no)
ON CONFLICT ON CONSTRAINT visit_type_once DO UPDATE
SET name = excluded.name, terms_no = excluded.terms_no, retired_at = NULL,
    updated_at = booking.now(), version = vt.version + 1
WHERE vt.retired_at IS NOT NULL
RETURNING created_at, updated_at, version;

-- name: change_visit_type^
UPDATE booking.visit_type
SET name = :name, terms_no = :terms_no, updated_at = booking.now(), version = version + 1
WHERE brand_id = :brand_id AND visit_type = :visit_type
RETURNING updated_at, version;

-- name: retire_visit_type^
UPDATE booking.visit_type
SET retired_at = booking.now(), updated_at = booking.now(), version = version + 1
WHERE brand_id = :brand_id AND visit_type = :visit_type
RETURNING updated_at, version, retired_at;

-- name: list_visit_types
-- All of the brand's, or the one named; with a provider as they are for that one.
SELECT vt.brand_id, vt.visit_type, vt.name, to_json(t) AS terms, vt.terms_no, vt.created_at,
       vt.updated_at, vt.version, vt.retired_at, o.fields, to_json(merged) AS merged
FROM booking.visit_type AS vt
JOIN booking.terms AS t USING (terms_no)
LEFT JOIN booking.visit_type_override AS o
    ON o.brand_id = vt.brand_id AND o.visit_type = vt.visit_type
    AND o.provider_no = :provider_no::bigint
LEFT JOIN booking.terms AS merged ON merged.terms_no = o.terms_no
WHERE vt.brand_id = :brand_id
    AND vt.visit_type = coalesce(:visit_type::text, vt.visit_type)
    AND vt.visit_type > :after_id
    AND (:include_retired OR vt.retired_at IS NULL)
ORDER BY vt.visit_type
LIMIT :row_limit;

-- name: list_overrides_of_type
SELECT provider_no, fields
FROM booking.visit_type_override
WHERE brand_id = :brand_id AND visit_type = :visit_type
ORDER BY provider_no;

-- name: remerge_overrides!
UPDATE booking.visit_type_override AS o
SET terms_no = merged.terms_no
FROM jsonb_to_recordset(:merged::jsonb) AS merged (
    position integer, provider_no bigint, terms_no bigint)
WHERE o.brand_id = :brand_id AND o.visit_type = :visit_type AND o.provider_no = merged.provider_no;

-- name: put_override!
INSERT INTO booking.visit_type_override (brand_id, visit_type, provider_no, fields, terms_no)
VALUES (:brand_id, :visit_type, :provider_no, :fields::jsonb, :terms_no)
ON CONFLICT ON CONSTRAINT visit_type_override_once DO UPDATE
SET fields = excluded.fields, terms_no = excluded.terms_no, updated_at = booking.now();

-- name: remove_override$
DELETE FROM booking.visit_type_override
WHERE brand_id = :brand_id AND visit_type = :visit_type AND provider_no = :provider_no
RETURNING visit_type;

-- name: list_terms_of_providers
-- The brand's own terms of each live type, without a provider, and those that differ for some.
SELECT NULL::bigint AS provider_no, vt.visit_type, to_json(t) AS terms
FROM booking.visit_type AS vt
JOIN booking.terms AS t USING (terms_no)
WHERE vt.brand_id = :brand_id AND vt.retired_at IS NULL
UNION ALL
SELECT o.provider_no, o.visit_type, to_json(t)
FROM booking.visit_type_override AS o
JOIN booking.visit_type AS vt USING (brand_id, visit_type)
JOIN booking.terms AS t ON t.terms_no = o.terms_no
WHERE o.brand_id = :brand_id
    AND vt.retired_at IS NULL
    AND o.provider_no = ANY (:provider_nos::bigint[]);

-- name: make_derivations_due!
-- Of the brand, or of one of its providers.
UPDATE booking.derivation
SET due_at = booking.now()
WHERE brand_id = :brand_id AND provider_no = coalesce(:provider_no::bigint, provider_no);
