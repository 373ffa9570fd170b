-- name: number_events$
-- excused: every brand's events get their places
SELECT booking.number_events(:row_limit);
