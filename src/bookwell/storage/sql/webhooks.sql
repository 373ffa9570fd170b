-- name: lock_webhook_endpoints$
-- Changes of a brand's endpoints take turns: they are counted, and each builds on the one before.
SELECT brand_id
FROM (SELECT :brand_id::text AS brand_id) AS brand,
     pg_advisory_xact_lock(hashtextextended('booking.webhook_endpoint ' || brand_id, 0));

-- name: count_webhook_endpoints$
SELECT count(*) FROM booking.webhook_endpoint WHERE brand_id = :brand_id AND deleted_at IS NULL;

-- name: add_webhook_endpoint^
INSERT INTO booking.webhook_endpoint (endpoint_id, brand_id, url, event_types, format, secret)
VALUES (:endpoint_id, :brand_id, :url, :event_types::text[], :format, :secret)
RETURNING endpoint_id, brand_id, url, event_types, format, created_at, updated_at, version,
          disabled_at, disabled_because, deleted_at, paused_until, failing_since,
          previous_secret_until;

-- name: list_webhook_endpoints
-- All of the brand's, or the one named. What is over is not told: a pause, an overlap.
SELECT endpoint_id, brand_id, url, event_types, format, created_at, updated_at, version,
       disabled_at, disabled_because, deleted_at, failing_since,
       CASE WHEN paused_until > booking.now() THEN paused_until END AS paused_until,
       CASE WHEN previous_secret_until > booking.now() THEN previous_secret_until END
           AS previous_secret_until
FROM booking.webhook_endpoint
WHERE brand_id = :brand_id
    AND endpoint_id = coalesce(:endpoint_id::text, endpoint_id)
    AND endpoint_id > :after_id
    AND (:include_deleted OR deleted_at IS NULL)
ORDER BY endpoint_id
LIMIT :row_limit;

-- name: read_webhook_secrets^
SELECT secret,
       CASE WHEN previous_secret_until > booking.now() THEN previous_secret END AS previous_secret
FROM booking.webhook_endpoint
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id AND deleted_at IS NULL;

-- name: change_webhook_endpoint^
-- Another receiver has not asked for a pause and has not failed yet.
UPDATE booking.webhook_endpoint AS w
SET url = :url,
    event_types = :event_types::text[],
    format = :format,
    disabled_at = CASE WHEN :is_enabled::boolean THEN NULL
        ELSE coalesce(disabled_at, booking.now()) END,
    disabled_because = CASE WHEN :is_enabled THEN NULL ELSE coalesce(disabled_because, 'staff') END,
    paused_until = CASE WHEN url = :url AND (disabled_at IS NULL OR NOT :is_enabled)
        THEN paused_until END,
    failing_since = CASE WHEN url = :url AND (disabled_at IS NULL OR NOT :is_enabled)
        THEN failing_since END,
    updated_at = booking.now(),
    version = version + 1
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id
RETURNING endpoint_id, brand_id, url, event_types, format, created_at, updated_at, version,
          disabled_at, disabled_because, deleted_at, failing_since,
          CASE WHEN paused_until > booking.now() THEN paused_until END AS paused_until,
          CASE WHEN previous_secret_until > booking.now() THEN previous_secret_until END
              AS previous_secret_until;

-- name: resume_deliveries!
-- What somebody has in hand is theirs, and so is what they are just writing down.
WITH later AS (
    SELECT delivery_no
    FROM booking.delivery
    WHERE brand_id = :brand_id
        AND endpoint_id = :endpoint_id
        AND status = 'pending'
        AND next_attempt_at > booking.now()
        AND (leased_until IS NULL OR leased_until <= booking.now())
    ORDER BY delivery_no
    FOR UPDATE SKIP LOCKED
), resumed AS (
    UPDATE booking.delivery AS d
    SET next_attempt_at = booking.now()
    FROM later
    WHERE d.delivery_no = later.delivery_no
)
SELECT pg_notify(:channel, '');

-- name: rotate_webhook_secret^
-- At most two are good at a time: what was the previous one until now is none any more.
UPDATE booking.webhook_endpoint
SET secret = :secret,
    previous_secret = CASE WHEN :overlap_minutes::integer > 0 THEN secret END,
    previous_secret_until = CASE WHEN :overlap_minutes > 0
        THEN booking.now() + make_interval(mins => :overlap_minutes) END,
    updated_at = booking.now(),
    version = version + 1
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id
RETURNING endpoint_id, brand_id, url, event_types, format, created_at, updated_at, version,
          disabled_at, disabled_because, deleted_at, failing_since, previous_secret_until,
          CASE WHEN paused_until > booking.now() THEN paused_until END AS paused_until;

-- name: lock_webhook_endpoint$
-- Also against new deliveries, which hold on to their endpoint's key.
SELECT endpoint_id
FROM booking.webhook_endpoint
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id
FOR UPDATE;

-- name: abandon_deliveries!
-- Deliveries are locked in their order and before their endpoint, as by whoever sends them.
WITH waiting AS (
    SELECT delivery_no
    FROM booking.delivery
    WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id AND status = 'pending'
    ORDER BY delivery_no
    FOR UPDATE
)
UPDATE booking.delivery AS d
SET status = 'abandoned', settled_at = booking.now(), leased_by = NULL, leased_until = NULL
FROM waiting
WHERE d.delivery_no = waiting.delivery_no;

-- name: delete_webhook_endpoint^
UPDATE booking.webhook_endpoint
SET secret = NULL,
    previous_secret = NULL,
    previous_secret_until = NULL,
    paused_until = NULL,
    failing_since = NULL,
    deleted_at = booking.now(),
    updated_at = booking.now(),
    version = version + 1
WHERE brand_id = :brand_id AND endpoint_id = :endpoint_id
RETURNING endpoint_id, brand_id, url, event_types, format, created_at, updated_at, version,
          disabled_at, disabled_because, deleted_at, paused_until, failing_since,
          previous_secret_until;
