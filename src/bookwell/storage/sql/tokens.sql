-- name: add_token^
INSERT INTO booking.token (token_hash, token_id, brand_id, role, subject, scopes, expires_at)
VALUES (:token_hash, :token_id, :brand_id, :role, :subject, :scopes,
        booking.now() + make_interval(secs => :expires_in))
RETURNING token_id, brand_id, role, subject, scopes, created_at, expires_at, revoked_at;

-- name: find_token^
-- excused: the token says which brand. patient_ids are the subject's, by brand.
SELECT t.brand_id, t.role, t.subject, t.scopes,
       extract(epoch FROM t.expires_at - booking.now())::float8 AS expires_in,
       (SELECT p.patient_id FROM booking.patient AS p
        WHERE p.subject = t.subject AND p.brand_id = t.brand_id AND t.role = 'patient') AS patient_id
FROM booking.token AS t
WHERE t.token_hash = :token_hash
    AND t.revoked_at IS NULL
    AND (t.expires_at IS NULL OR t.expires_at > booking.now());

-- name: revoke_token^
-- excused: the one who holds a token, or the brand's administrator, may end it; brand_id narrows
UPDATE booking.token
SET revoked_at = booking.now()
WHERE (token_hash = :token_hash OR token_id = :token_id)
    AND brand_id = coalesce(:brand_id::text, brand_id)
    AND revoked_at IS NULL
RETURNING token_id, brand_id, encode(token_hash, 'hex') AS token_hash_hex;

-- name: announce_revocation$
-- excused: a notice carries a hash and no brand
SELECT pg_notify('booking_token_revoked', :token_hash_hex);

-- name: list_tokens
SELECT token_id, brand_id, role, subject, scopes, created_at, expires_at, revoked_at
FROM booking.token
WHERE brand_id = :brand_id AND token_id > :after_id
ORDER BY token_id
LIMIT :row_limit;
