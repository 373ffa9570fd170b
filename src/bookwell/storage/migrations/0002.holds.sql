-- Holds: a visit that takes its time for some minutes, until somebody confirms it.
-- Sources: docs/decisions/0016-holds.md.

SET LOCAL lock_timeout = '5s';

-- hold_place numbers the live holds of one patient from 1 up to what a patient may have, so that a
-- unique index can be the referee of "at most so many".
ALTER TABLE booking.visit
    ADD COLUMN hold_expires_at timestamptz,
    ADD COLUMN hold_place smallint,
    ADD CONSTRAINT visit_hold_expires_iff_held
        CHECK ((status IN ('held', 'expired')) = (hold_expires_at IS NOT NULL)),
    ADD CONSTRAINT visit_hold_has_a_place_iff_held
        CHECK ((status = 'held') = (hold_place IS NOT NULL));

CREATE UNIQUE INDEX visit_hold_place_once ON booking.visit (brand_id, patient_id, hold_place)
    WHERE status = 'held';
CREATE INDEX visit_hold_by_expiry ON booking.visit (hold_expires_at) WHERE status = 'held';

-- A visit as its readers see it. A hold past its time is expired from that second on; the row says
-- so later, when somebody writes it down, and then says exactly this.
CREATE VIEW booking.visit_seen AS
SELECT v.visit_id, v.brand_id, v.patient_id, p.provider_id, v.slot_id,
       CASE WHEN is_past THEN 'expired' ELSE v.status END AS status,
       v.visit_type, v.reason, v.notes, v.cancelled_at, v.cancel_reason, v.created_at,
       CASE WHEN is_past THEN v.hold_expires_at ELSE v.updated_at END AS updated_at,
       CASE WHEN is_past THEN v.version + 1 ELSE v.version END AS version,
       v.starts_at, v.ends_at, v.hold_expires_at
FROM booking.visit AS v
JOIN booking.provider AS p USING (provider_no)
CROSS JOIN LATERAL (
    SELECT v.status = 'held' AND v.hold_expires_at <= booking.now() AS is_past) AS hold;
