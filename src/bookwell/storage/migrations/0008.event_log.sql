-- The log of events: a place in line for each, deliveries to webhook endpoints, the bus's bookmark.
-- Sources: CONTRACT.md section 2, decision 13; docs/decisions/0028-event-log.md.

SET LOCAL lock_timeout = '5s';

-- The event's place in its brand's log: 1, 2, 3, … without a gap, given once it is committed. Who
-- has read up to a place has missed nothing below it, which nobody could say of event_no.
ALTER TABLE booking.event ADD COLUMN position bigint;

CREATE UNIQUE INDEX event_position_once ON booking.event (brand_id, position)
    WHERE position IS NOT NULL;
-- Of "event_no + 0", so that whoever looks for these by it is never sent through the key instead,
-- which has all events and looks as good while there are few.
CREATE INDEX event_unnumbered ON booking.event ((event_no + 0)) WHERE position IS NULL;

-- How far a brand's log goes. Events before kept_from are gone, because they were too old.
CREATE TABLE booking.event_log (
    brand_id       text COLLATE "C" NOT NULL,
    last_position  bigint NOT NULL,
    kept_from      bigint NOT NULL DEFAULT 1,
    CONSTRAINT event_log_once PRIMARY KEY (brand_id),
    CONSTRAINT event_log_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand
);

-- Where in the log the events of a day (UTC, by occurred_at) are to be found, and how many came.
CREATE TABLE booking.event_day (
    brand_id        text COLLATE "C" NOT NULL,
    day             date NOT NULL,
    first_position  bigint NOT NULL,
    last_position   bigint NOT NULL,
    event_count     bigint NOT NULL,
    CONSTRAINT event_day_once PRIMARY KEY (brand_id, day),
    CONSTRAINT event_day_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand
);

----------------------------------------------------------------------------------- webhooks

-- A deleted endpoint stays without its secrets, because its deliveries point at it.
CREATE TABLE booking.webhook_endpoint (
    endpoint_id            text COLLATE "C" NOT NULL,
    brand_id               text COLLATE "C" NOT NULL,
    url                    text NOT NULL,
    event_types            text[] COLLATE "C" NOT NULL,
    format                 text COLLATE "C" NOT NULL,
    secret                 text,
    previous_secret        text,
    previous_secret_until  timestamptz,
    created_at             timestamptz NOT NULL DEFAULT booking.now(),
    updated_at             timestamptz NOT NULL DEFAULT booking.now(),
    version                integer NOT NULL DEFAULT 1,
    disabled_at            timestamptz,
    disabled_because       text COLLATE "C",
    deleted_at             timestamptz,
    -- The receiver asked us to wait until then (429, 503, Retry-After).
    paused_until           timestamptz,
    -- Nothing has been taken since then.
    failing_since          timestamptz,
    CONSTRAINT webhook_endpoint_id_once PRIMARY KEY (endpoint_id),
    CONSTRAINT webhook_endpoint_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand,
    CONSTRAINT webhook_endpoint_format_is_known CHECK (format IN ('standard', 'cloudevents')),
    CONSTRAINT webhook_endpoint_disabled_for_a_reason
        CHECK ((disabled_at IS NULL) = (disabled_because IS NULL)),
    CONSTRAINT webhook_endpoint_has_a_secret CHECK (deleted_at IS NOT NULL OR secret IS NOT NULL)
);

CREATE INDEX webhook_endpoint_by_brand ON booking.webhook_endpoint (brand_id, endpoint_id)
    WHERE deleted_at IS NULL;

-- One event on its way to one endpoint. A test delivery has no position; a replay is a new row. One
-- that was pending when its endpoint was deleted is abandoned.
CREATE TABLE booking.delivery (
    delivery_no      bigint GENERATED ALWAYS AS IDENTITY,
    brand_id         text COLLATE "C" NOT NULL,
    endpoint_id      text COLLATE "C" NOT NULL,
    event_id         text COLLATE "C" NOT NULL,
    event_type       text COLLATE "C" NOT NULL,
    entity_id        text COLLATE "C" NOT NULL,
    position         bigint,
    status           text COLLATE "C" NOT NULL DEFAULT 'pending',
    attempts         integer NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL DEFAULT booking.now(),
    next_attempt_at  timestamptz NOT NULL DEFAULT booking.now(),
    -- Who is sending it, and until when nobody else may.
    leased_by        text COLLATE "C",
    leased_until     timestamptz,
    settled_at       timestamptz,
    CONSTRAINT delivery_no_once PRIMARY KEY (delivery_no),
    CONSTRAINT delivery_endpoint_exists
        FOREIGN KEY (endpoint_id) REFERENCES booking.webhook_endpoint,
    CONSTRAINT delivery_status_is_known
        CHECK (status IN ('pending', 'delivered', 'failed', 'abandoned')),
    CONSTRAINT delivery_settled_iff_dated CHECK ((status = 'pending') = (settled_at IS NULL))
);

-- Each of these three answers one question, and has words of its own for what it holds: a question
-- that does not say them cannot be given to it. Planned while there is little, all three look equally
-- good for all questions, and would be thousands of times too dear once there is much.
CREATE INDEX delivery_due ON booking.delivery (endpoint_id, next_attempt_at, delivery_no)
    WHERE settled_at IS NULL;
-- What is before it in line: events of one visit leave in their order.
CREATE INDEX delivery_line ON booking.delivery (endpoint_id, entity_id, delivery_no)
    WHERE status = 'pending';
CREATE INDEX delivery_by_endpoint ON booking.delivery (endpoint_id, delivery_no)
    WHERE delivery_no > 0;
-- What goes when its event is too old to be kept, and what a replay asks of a stretch of the log;
-- tests, which have no event, come last.
CREATE INDEX delivery_by_age ON booking.delivery (brand_id, position);
CREATE INDEX delivery_test ON booking.delivery (created_at) WHERE position IS NULL;

CREATE TABLE booking.delivery_attempt (
    delivery_no   bigint NOT NULL,
    attempt       integer NOT NULL,
    brand_id      text COLLATE "C" NOT NULL,
    attempted_at  timestamptz NOT NULL,
    duration_ms   integer NOT NULL,
    -- Null where no answer came; cause then says why. Never what the receiver wrote.
    http_status   integer,
    cause         text COLLATE "C",
    CONSTRAINT delivery_attempt_once PRIMARY KEY (delivery_no, attempt),
    CONSTRAINT delivery_attempt_delivery_exists
        FOREIGN KEY (delivery_no) REFERENCES booking.delivery ON DELETE CASCADE
);

-- How many attempts an endpoint has seen, by what came of them: a counter that survives workers.
CREATE TABLE booking.delivery_count (
    brand_id       text COLLATE "C" NOT NULL,
    endpoint_id    text COLLATE "C" NOT NULL,
    outcome        text COLLATE "C" NOT NULL,
    attempt_count  bigint NOT NULL,
    CONSTRAINT delivery_count_once PRIMARY KEY (endpoint_id, outcome),
    CONSTRAINT delivery_count_endpoint_exists
        FOREIGN KEY (endpoint_id) REFERENCES booking.webhook_endpoint
);

---------------------------------------------------------------------------------------- bus

-- Up to where a brand's log has been published, and who is publishing.
CREATE TABLE booking.bus_bookmark (
    brand_id       text COLLATE "C" NOT NULL,
    position       bigint NOT NULL DEFAULT 0,
    leased_by      text COLLATE "C",
    leased_until   timestamptz,
    CONSTRAINT bus_bookmark_once PRIMARY KEY (brand_id),
    CONSTRAINT bus_bookmark_brand_exists FOREIGN KEY (brand_id) REFERENCES booking.brand
);

---------------------------------------------------------------------------------- numbering

-- Give committed events above this event_no their places, and each endpoint that wants one its
-- delivery. Answers how many it numbered. One caller does it at a time, and others go away with 0:
-- each statement in here sees what was committed when it began, and the one that counts begins
-- behind the lock. Events of one visit get their places in their order: the later one got its
-- event_no after the earlier one had committed. `above` is where a caller knows that nothing is
-- left behind; below it lie index entries of rows that have their places, and while somebody holds
-- an old snapshot (a dump does) nobody may remove those.
CREATE FUNCTION booking.number_events(row_limit integer, above bigint) RETURNS integer
    LANGUAGE plpgsql
    AS $$
DECLARE
    numbered_count integer;
BEGIN
    IF NOT EXISTS (SELECT FROM booking.event WHERE position IS NULL AND event_no + 0 > above) THEN
        RETURN 0;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('booking.number_events')) THEN
        RETURN 0;
    END IF;
    WITH unnumbered AS MATERIALIZED (
        SELECT ctid AS place, event_no, brand_id, (occurred_at AT TIME ZONE 'UTC')::date AS day
        FROM booking.event
        WHERE position IS NULL AND event_no + 0 > above
        ORDER BY event_no + 0
        LIMIT row_limit
    ), log AS (
        INSERT INTO booking.event_log AS known (brand_id, last_position)
        SELECT brand_id, count(*)
        FROM unnumbered
        GROUP BY brand_id
        ON CONFLICT ON CONSTRAINT event_log_once DO UPDATE
        SET last_position = known.last_position + excluded.last_position
        RETURNING brand_id, last_position
    ), placed AS MATERIALIZED (
        SELECT place, event_no, day, brand_id,
               last_position + 1
               - row_number() OVER (PARTITION BY brand_id ORDER BY event_no DESC) AS position
        FROM unnumbered
        JOIN log USING (brand_id)
    ), day AS (
        INSERT INTO booking.event_day AS known (
            brand_id, day, first_position, last_position, event_count)
        SELECT brand_id, day, min(position), max(position), count(*)
        FROM placed
        GROUP BY brand_id, day
        ON CONFLICT ON CONSTRAINT event_day_once DO UPDATE
        SET last_position = excluded.last_position,
            event_count = known.event_count + excluded.event_count
    ), numbered AS (
        UPDATE booking.event AS e
        SET position = placed.position
        FROM placed
        WHERE e.ctid = placed.place
        RETURNING e.brand_id, e.event_id, e.event_type, e.entity_id, e.position
    ), delivery AS (
        INSERT INTO booking.delivery (
            brand_id, endpoint_id, event_id, event_type, entity_id, position)
        SELECT n.brand_id, w.endpoint_id, n.event_id, n.event_type, n.entity_id, n.position
        FROM numbered AS n
        JOIN booking.webhook_endpoint AS w
            ON w.brand_id = n.brand_id
            AND w.deleted_at IS NULL
            AND w.disabled_at IS NULL
            AND (w.event_types = '{*}' OR n.event_type = ANY (w.event_types))
        ORDER BY n.brand_id, n.position, w.endpoint_id
        -- Whoever deletes an endpoint has it for themselves: they see what is made here, or this
        -- sees that the endpoint is gone.
        FOR KEY SHARE OF w
    )
    SELECT count(*) INTO numbered_count FROM numbered;
    IF numbered_count > 0 THEN
        -- Heard when this commits. Bookings themselves notify nobody: commits that do so wait for
        -- each other.
        PERFORM pg_notify('bookwell_events', '');
    END IF;
    RETURN numbered_count;
END
$$;
