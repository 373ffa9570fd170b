-- name: add_licence^
INSERT INTO booking.licence (
    licence_id, brand_id, provider_no, region, valid_from, valid_until, time_zone, starts_at,
    ends_at)
VALUES (:licence_id, :brand_id, :provider_no, :region, :valid_from, :valid_until, :time_zone,
        :starts_at, :ends_at)
RETURNING created_at;

-- name: change_licence!
UPDATE booking.licence
SET region = :region, valid_from = :valid_from, valid_until = :valid_until, time_zone = :time_zone,
    starts_at = :starts_at, ends_at = :ends_at
WHERE brand_id = :brand_id AND licence_id = :licence_id;

-- name: delete_licence!
DELETE FROM booking.licence WHERE brand_id = :brand_id AND licence_id = :licence_id;

-- name: list_licences
-- All of the provider's for the brand, or the one named.
SELECT l.licence_id, l.brand_id, p.provider_id, l.region, l.valid_from, l.valid_until, l.time_zone,
       l.created_at
FROM booking.licence AS l
JOIN booking.provider AS p USING (provider_no)
WHERE l.provider_no = :provider_no AND l.brand_id = :brand_id
    AND l.licence_id = coalesce(:licence_id::text, l.licence_id)
    AND l.licence_id > :after_id
ORDER BY l.licence_id
LIMIT :row_limit;

-- name: list_visits_at_risk
SELECT visit_id, provider_id, patient_id, visit_type, region, starts_at
FROM booking.visit_at_risk
WHERE brand_id = :brand_id
    AND starts_at > booking.now()
    AND starts_at < :before
    AND (starts_at, visit_id) > (:after_at::timestamptz, :after_id::text)
ORDER BY starts_at, visit_id
LIMIT :row_limit;

-- name: list_visits_at_risk_of_provider
SELECT visit_id, provider_id, patient_id, visit_type, region, starts_at
FROM booking.visit_at_risk
WHERE brand_id = :brand_id
    AND provider_no = :provider_no
    AND starts_at > booking.now()
    AND starts_at < :before
    AND (starts_at, visit_id) > (:after_at::timestamptz, :after_id::text)
ORDER BY starts_at, visit_id
LIMIT :row_limit;

-- name: list_patient_regions
SELECT region, starts_at, ends_at
FROM booking.patient_region
WHERE brand_id = :brand_id AND patient_id = :patient_id
ORDER BY starts_at NULLS FIRST;

-- name: delete_patient_regions!
DELETE FROM booking.patient_region WHERE brand_id = :brand_id AND patient_id = :patient_id;

-- name: add_patient_regions!
INSERT INTO booking.patient_region (brand_id, patient_id, region, starts_at, ends_at)
SELECT :brand_id, :patient_id, stay.region, stay.starts_at, stay.ends_at
FROM jsonb_to_recordset(:stays::jsonb) AS stay (
    position integer, region text, starts_at timestamptz, ends_at timestamptz);
