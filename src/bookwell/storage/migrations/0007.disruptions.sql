-- A provider who is out, what becomes of each of their visits, and what is held meanwhile.
-- Sources: docs/decisions/0027-disruption-desk.md.

SET LOCAL lock_timeout = '5s';

CREATE TABLE booking.disruption (
    disruption_id  text COLLATE "C" NOT NULL,
    brand_id       text COLLATE "C" NOT NULL,
    provider_no    bigint NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    status         text COLLATE "C" NOT NULL DEFAULT 'open',
    created_at     timestamptz NOT NULL DEFAULT booking.now(),
    updated_at     timestamptz NOT NULL DEFAULT booking.now(),
    version        integer NOT NULL DEFAULT 1,
    CONSTRAINT disruption_id_once PRIMARY KEY (disruption_id),
    CONSTRAINT disruption_provider_works_for_brand
        FOREIGN KEY (provider_no, brand_id) REFERENCES booking.affiliation,
    CONSTRAINT disruption_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT disruption_status_is_known CHECK (status IN ('open', 'committed', 'abandoned'))
);

CREATE INDEX disruption_by_provider ON booking.disruption (provider_no, brand_id, disruption_id);

-- What staff know of an affected visit. starts_at and ends_at are the visit's when they last looked,
-- and outcome is what came of it when the disruption was committed. hold_id is the visit that holds
-- the slot which is to be its new one. action is null while nobody has decided.
CREATE TABLE booking.disruption_choice (
    disruption_id  text COLLATE "C" NOT NULL,
    visit_id       text COLLATE "C" NOT NULL,
    brand_id       text COLLATE "C" NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    action         text COLLATE "C",
    slot_id        text COLLATE "C",
    hold_id        text COLLATE "C",
    cancel_reason  text,
    outcome        text COLLATE "C",
    CONSTRAINT disruption_choice_once PRIMARY KEY (disruption_id, visit_id),
    CONSTRAINT disruption_choice_of_a_disruption
        FOREIGN KEY (disruption_id) REFERENCES booking.disruption,
    CONSTRAINT disruption_choice_of_a_visit FOREIGN KEY (visit_id) REFERENCES booking.visit,
    CONSTRAINT disruption_choice_slot_exists FOREIGN KEY (slot_id) REFERENCES booking.slot,
    CONSTRAINT disruption_choice_hold_exists FOREIGN KEY (hold_id) REFERENCES booking.visit,
    CONSTRAINT disruption_choice_action_is_known CHECK (action IN ('move', 'cancel', 'leave')),
    CONSTRAINT disruption_choice_outcome_is_known
        CHECK (outcome IN ('moved', 'cancelled', 'left', 'gone')),
    CONSTRAINT disruption_choice_moves_iff_to_a_slot
        CHECK (coalesce(action = 'move', false) = (slot_id IS NOT NULL)),
    CONSTRAINT disruption_choice_holds_iff_it_moves
        CHECK (coalesce(action = 'move', false) = (hold_id IS NOT NULL))
);
