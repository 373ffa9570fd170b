-- name: number_events^
-- excused: every brand's events get their places
SELECT booking.number_events(:row_limit, :above) AS numbered,
       (SELECT last_value FROM booking.event_event_no_seq) AS newest,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction;
