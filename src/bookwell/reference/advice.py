"""What a caller should do about each error code; the errors page fails to be made without one.

Facts that an error carries in `details` are told here too, because a caller acts on them.
"""

ADVICE = {
    "validation_error": (
        "Correct the request and send it again; the same request is refused again. "
        "`details.field` names the field, parameter or header that is wrong, and is `body` where "
        "the body as a whole cannot be read."
    ),
    "unauthenticated": "Send `Authorization: Bearer …` with a token.",
    "invalid_token": (
        "Get a new token. This one is unknown, expired or revoked, and it will not come back."
    ),
    "insufficient_scope": (
        "Ask for a token with the scope in `details.scope`; `WWW-Authenticate` names it too."
    ),
    "forbidden": (
        "Do not repeat it with this token: its bearer may not do this, or it belongs to another "
        "brand. Compare the token's brand with `X-Brand-Id`, `brand_id` and the coach's brand."
    ),
    "not_acceptable": (
        "Ask for the stream with `Accept: text/event-stream`, or for the list beside it: "
        "`GET /v1/events`, `GET /v1/slots`."
    ),
    "not_found": (
        "Check the id and the brand. What belongs to another brand or another patient is answered "
        "exactly like what never was. An unknown path is answered with this code too."
    ),
    "method_not_allowed": "Use the method that [api.md](api.md) gives for this path.",
    "slot_unavailable": (
        "Somebody else was first, or the time has begun. List the open times again and choose "
        "another. `details.slot_id` is the slot that was asked for, where there is one, and "
        "`details.nearest_slots` are the same provider's open ones nearest to it."
    ),
    "rule_broken": (
        "Choose another time. `details.rule` is the first rule that stands in the way and "
        "`details.rules` are all of them; `GET /v1/slots` offers only times that no rule stands "
        "against, and `GET /v1/slots/explain` tells the fact behind each rule. Staff with the "
        "scope `override:visits` may overrule some of them with an `override_reason`: "
        "`details.may_be_overruled` says whether that is so here."
    ),
    "visits_affected": (
        "Look at `details.visits`, which would lie outside the time offered. Move or cancel them "
        "first, use `POST /v1/providers/{id}/disruptions` to do all of it at once, or send "
        "`keep_visits: true` to leave them as they are."
    ),
    "disruption_out_of_date": (
        "Read the disruption again and choose for the visits in `details.visits` as well."
    ),
    "visits_undecided": (
        "Choose for the visits in `details.visits`, or commit with `leave_undecided: true` to "
        "leave them for staff."
    ),
    "too_many_calendar_feeds": (
        "Revoke an address that nobody uses any more (`GET` and `DELETE /v1/calendar-feeds`)."
    ),
    "too_many_webhook_endpoints": (
        "Delete an endpoint that nobody listens at any more (`GET` and `DELETE "
        "/v1/webhook-endpoints`), or have one receiver hand events on: a brand has "
        "`details.endpoints_max` at most, because each event is sent to every one of them."
    ),
    "webhook_endpoint_disabled": (
        "Enable the endpoint first: `PATCH /v1/webhook-endpoints/{id}` with `is_enabled: true`. "
        "`details.disabled_because` is `gone` (its receiver answered 410) or `staff`."
    ),
    "too_many_holds": (
        "Confirm or cancel one of this patient's holds, or wait until one expires: "
        "`details.holds_max` (`BOOKWELL_HOLDS_MAX`) is how many a patient may have in a brand."
    ),
    "hold_expired": (
        "Hold or book the slot anew; it may still be free. The hold ended at `details.expired_at` "
        "and does not come back."
    ),
    "events_gone": (
        "Some of what you ask for is older than `BOOKWELL_EVENTS_KEPT_DAYS`. Take over what there "
        "is from the lists of visits and slots, and follow on with `after` one less than "
        "`details.kept_from`, the place of the oldest event that is kept."
    ),
    "visit_not_confirmable": (
        "Read the visit; `details.status` is its status now. If that is `booked`, what you wanted "
        "is already so."
    ),
    "already_exists": (
        "Use another id, or the thing that is there. For a provider: the same id is the same "
        "person, so they either work for this brand already or are of the other kind."
    ),
    "idempotency_key_payload_mismatch": (
        "Make a new key for a new request. This key belongs to a request with another path or "
        "another body; that request's effect stands."
    ),
    "visit_not_cancellable": (
        "Read the visit. `details.status` is its status now. If that is `cancelled`, what you "
        "wanted is already so."
    ),
    "cancellation_window_closed": (
        "The visit begins too soon to be cancelled: `details.allowed_until` was the end. Staff "
        "with the scope `override:visits` may do it with an `override_reason`."
    ),
    "reschedule_window_closed": (
        "The visit begins too soon to be moved: `details.allowed_until` was the end. Staff with "
        "the scope `override:visits` may do it with an `override_reason`."
    ),
    "disruption_not_open": "Read the disruption; `details.status` is what became of it.",
    "visit_not_reschedulable": (
        "Read the visit; `details.status` is its status now. A cancelled visit does not come "
        "back: book a new one."
    ),
    "visit_not_ready_for_check_in": "Read the visit; `details.status` is its status now.",
    "visit_not_completable": "Read the visit; `details.status` is its status now.",
    "visit_not_missed": (
        "Read the visit. Either `details.status` is not `booked`, or the visit has not begun: "
        "then wait until `start_time`."
    ),
    "slot_not_deletable": (
        "Cancel or move the visit that takes this time first. It may be another slot's, where "
        "slots overlap, or another brand's, whose visits you cannot see."
    ),
    "booking_not_cancellable": (
        "Nothing to do: `details.status` says that it is over or cancelled, or is `booked` and "
        "the session has ended."
    ),
    "version_mismatch": (
        "Read the visit again, look at what has changed, and send the change with the new `ETag` "
        "as `If-Match`. `details.version` is the version now."
    ),
    "payload_too_large": "Send a shorter body; the limit is `BOOKWELL_BODY_BYTES_MAX`.",
    "unsupported_media_type": "Send JSON, with `Content-Type: application/json`.",
    "headers_too_large": (
        "Send a shorter path and fewer or shorter headers; 64 KiB is the limit for all together. "
        "The connection is closed."
    ),
    "rate_limited": (
        "Wait `retry_after_ms` milliseconds (`Retry-After` says the same in seconds), then go on. "
        "Nothing was done."
    ),
    "internal_error": (
        "Report it with the `request_id`: it is a mistake of ours, and our log has its place "
        "under that id. A change may be sent again with the same idempotency key."
    ),
    "database_unavailable": (
        "Send the same request again after `Retry-After`, a change with the same idempotency key."
    ),
    "identity_unavailable": "Send the same request again after `Retry-After`. Nothing was done.",
    "overloaded": (
        "Send the same request again after `Retry-After`, and then less often: the service is at "
        "its limit."
    ),
}
