-- What slots are asked and offered by: when a provider is taken, and what they took back.
-- Sources: docs/decisions/0020-search-and-bulk.md.

SET LOCAL lock_timeout = '5s';

-- The times that nobody else can have, in whatever brand. Its two ranges are those of
-- visit_provider_no_overlap, so whoever compares both with && reads that constraint's index. A hold
-- past its time takes none, whether or not somebody has written that down.
CREATE VIEW booking.taken_time AS
SELECT int8range(v.provider_no, v.provider_no, '[]') AS provider,
       tstzrange(v.starts_at, v.ends_at) AS during
FROM booking.visit AS v
WHERE v.status IN ('held', 'booked', 'checked_in')
    AND (v.status <> 'held' OR v.hold_expires_at > booking.now());

-- Few slots are ever taken back. slot_by_provider has all the others.
CREATE INDEX slot_taken_back_by_provider ON booking.slot (provider_no, brand_id, starts_at)
    WHERE deleted_at IS NOT NULL;
