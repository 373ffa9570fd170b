-- name: add_calls
-- Adds each worker's counts to the shared ones, and answers the sums.
INSERT INTO booking.rate_window AS w (brand_id, caller, kind, minute, call_count)
SELECT brand_id, caller, kind, to_timestamp(minute * 60), call_count
FROM unnest(:brand_ids::text[], :callers::text[], :kinds::text[], :minutes::bigint[],
            :call_counts::integer[]) AS counted (brand_id, caller, kind, minute, call_count)
ORDER BY caller, kind, minute, brand_id
ON CONFLICT ON CONSTRAINT rate_window_once
DO UPDATE SET call_count = w.call_count + excluded.call_count
RETURNING brand_id, caller, kind, (extract(epoch FROM minute) / 60)::bigint AS minute, call_count;

-- name: sweep_calls!
-- excused: every brand's past minutes go
DELETE FROM booking.rate_window WHERE minute < to_timestamp(:before_minute::bigint * 60);
