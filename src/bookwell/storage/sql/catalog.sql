-- name: add_brand^
INSERT INTO booking.brand (brand_id, name)
VALUES (:brand_id, :name)
RETURNING brand_id, name, created_at;

-- name: list_brands
-- excused: all brands, or the one named
SELECT brand_id, name, created_at
FROM booking.brand
WHERE brand_id = coalesce(:only::text, brand_id) AND brand_id > :after_id
ORDER BY brand_id
LIMIT :row_limit;

-- name: get_brand^
SELECT brand_id, name, created_at FROM booking.brand WHERE brand_id = :brand_id;

-- name: add_provider^
-- The person, new or known; a known one keeps the kind they have.
INSERT INTO booking.provider (provider_id, brand_id, kind)
VALUES (:provider_id, :brand_id, :kind)
ON CONFLICT ON CONSTRAINT provider_id_once DO UPDATE SET provider_id = excluded.provider_id
RETURNING provider_no, kind, brand_id;

-- name: add_affiliation^
INSERT INTO booking.affiliation (brand_id, provider_no, name)
VALUES (:brand_id, :provider_no, :name)
RETURNING created_at;

-- name: get_provider^
SELECT p.provider_no, p.provider_id, a.brand_id, p.kind, a.name, a.created_at
FROM booking.provider AS p
JOIN booking.affiliation AS a USING (provider_no)
WHERE a.brand_id = :brand_id AND p.provider_id = :provider_id;

-- name: lock_provider$
-- excused: the lock is on the person, because two brands share this person's day
SELECT provider_no FROM booking.provider WHERE provider_no = :provider_no FOR NO KEY UPDATE;

-- name: provider_exists$
-- excused: asks whether the person works for any brand at all, to tell 403 from 404 where the
-- documentation of office hours does
SELECT EXISTS (SELECT FROM booking.provider WHERE provider_id = :provider_id AND kind = 'coach');

-- name: list_providers
SELECT p.provider_no, p.provider_id, a.brand_id, p.kind, a.name, a.created_at
FROM booking.affiliation AS a
JOIN booking.provider AS p USING (provider_no)
WHERE a.brand_id = :brand_id
    AND p.kind = coalesce(:kind::text, p.kind)
    AND p.provider_id > :after_id
ORDER BY p.provider_id
LIMIT :row_limit;

-- name: list_brands_of_provider
-- excused: a person has one busy line; whose changes may touch it
SELECT a.brand_id
FROM booking.provider AS p
JOIN booking.affiliation AS a USING (provider_no)
WHERE p.provider_id = :provider_id
ORDER BY a.brand_id;

-- name: add_patient^
INSERT INTO booking.patient (brand_id, patient_id, subject)
VALUES (:brand_id, :patient_id, :subject)
RETURNING brand_id, patient_id, subject, created_at;

-- name: set_patient_subject^
UPDATE booking.patient
SET subject = :subject
WHERE brand_id = :brand_id AND patient_id = :patient_id
RETURNING brand_id, patient_id, subject, created_at;

-- name: get_patient^
SELECT brand_id, patient_id, subject, created_at
FROM booking.patient
WHERE brand_id = :brand_id AND patient_id = :patient_id;

-- name: lock_patient$
-- Always after the providers, so that two who lock both queue instead of deadlocking.
SELECT patient_id
FROM booking.patient
WHERE brand_id = :brand_id AND patient_id = :patient_id
FOR NO KEY UPDATE;

-- name: list_patients
SELECT brand_id, patient_id, subject, created_at
FROM booking.patient
WHERE brand_id = :brand_id AND patient_id > :after_id
ORDER BY patient_id
LIMIT :row_limit;

-- name: list_patients_of_subject
-- excused: whether a subject is a patient of any brand decides that they are no staff of another
SELECT brand_id, patient_id FROM booking.patient WHERE subject = :subject;
