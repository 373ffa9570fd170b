-- name: add_office_hour^
INSERT INTO booking.office_hour (
    office_hour_id, brand_id, provider_no, weekday, wall_from, wall_until, time_zone,
    duration_minutes, capacity, valid_from, valid_until)
VALUES (:office_hour_id, :brand_id, :provider_no, :weekday, :wall_from, :wall_until, :time_zone,
        :duration_minutes, :capacity, :valid_from, :valid_until)
RETURNING office_hour_id, brand_id, :coach_id::text AS coach_id, weekday, wall_from, wall_until,
          time_zone, duration_minutes, capacity, valid_from, valid_until, created_at;

-- name: list_office_hours
SELECT office_hour_id, brand_id, :coach_id::text AS coach_id, weekday, wall_from, wall_until,
       time_zone, duration_minutes, capacity, valid_from, valid_until, created_at
FROM booking.office_hour
WHERE provider_no = :provider_no AND brand_id = :brand_id AND office_hour_id > :after_id
ORDER BY office_hour_id
LIMIT :row_limit;

-- name: list_taken_sessions
-- excused: the coach's time taken in whatever brand; what is not this brand's carries no rule
SELECT CASE WHEN brand_id = :brand_id THEN office_hour_id END AS office_hour_id,
       starts_at, ends_at, seats_taken
FROM booking.office_hour_session
WHERE int8range(provider_no, provider_no, '[]') && int8range(:provider_no, :provider_no, '[]')
    AND tstzrange(starts_at, ends_at) && tstzrange(:from_at, :until_at)
    AND seats_taken > 0;

-- name: take_seat!
-- The last seat is refereed by office_hour_session_seats_within_capacity, the coach's time by
-- office_hour_session_coach_no_overlap.
INSERT INTO booking.office_hour_session (
    office_hour_id, starts_at, ends_at, brand_id, provider_no, capacity, seats_taken)
VALUES (:office_hour_id, :starts_at, :ends_at, :brand_id, :provider_no, :capacity, 1)
ON CONFLICT ON CONSTRAINT office_hour_session_once
DO UPDATE SET seats_taken = office_hour_session.seats_taken + 1;

-- name: free_seat!
UPDATE booking.office_hour_session
SET seats_taken = seats_taken - 1
WHERE brand_id = :brand_id AND office_hour_id = :office_hour_id AND starts_at = :starts_at;

-- name: add_booking^
INSERT INTO booking.office_hour_booking (
    booking_id, brand_id, office_hour_id, slot_at, duration_minutes, patient_id, status, notes)
VALUES (:booking_id, :brand_id, :office_hour_id, :slot_at, :duration_minutes, :patient_id,
        'booked', :notes)
RETURNING booking_id, brand_id, office_hour_id, :coach_id::text AS coach_id, patient_id, slot_at,
          duration_minutes, status, notes, created_at, version;

-- name: lock_booking^
-- excused: the documentation tells a booking of another brand (403) from one that never was (404);
-- the use case compares the brand
SELECT b.booking_id, b.brand_id, b.office_hour_id, p.provider_id AS coach_id, b.patient_id,
       b.slot_at, b.duration_minutes, b.status, b.notes, b.created_at, b.version
FROM booking.office_hour_booking AS b
JOIN booking.office_hour AS h USING (office_hour_id)
JOIN booking.provider AS p USING (provider_no)
WHERE b.booking_id = :booking_id
FOR NO KEY UPDATE OF b;

-- name: cancel_booking^
UPDATE booking.office_hour_booking AS b
SET status = 'cancelled', cancelled_at = booking.now(), updated_at = booking.now(),
    version = b.version + 1
WHERE b.brand_id = :brand_id AND b.booking_id = :booking_id
RETURNING b.booking_id, b.brand_id, b.office_hour_id, :coach_id::text AS coach_id, b.patient_id,
          b.slot_at, b.duration_minutes, b.status, b.notes, b.created_at, b.version;

-- name: list_bookings_of_patient
SELECT b.booking_id, b.brand_id, b.office_hour_id, p.provider_id AS coach_id, b.patient_id,
       b.slot_at, b.duration_minutes, b.status, b.notes, b.created_at, b.version
FROM booking.office_hour_booking AS b
JOIN booking.office_hour AS h USING (office_hour_id)
JOIN booking.provider AS p USING (provider_no)
WHERE b.brand_id = :brand_id
    AND b.patient_id = :patient_id
    AND (b.slot_at, b.booking_id) < (:before_at::timestamptz, :before_id::text)
ORDER BY b.slot_at DESC, b.booking_id DESC
LIMIT :row_limit;
