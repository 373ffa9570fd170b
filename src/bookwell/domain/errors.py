"""What the service refuses, and why: a tree of types that carry facts.

    Refused                          the caller is told, with a 4xx
      InvalidInput                   something in the request is not what it must be
      Unauthenticated, InvalidToken  nobody, or nobody we know
      InsufficientScope, Forbidden   somebody, but not for this
      NotFound                       no such thing for this caller
      NotAcceptable                  it is there, in a form that the caller does not take
      Conflict                       a lost race or something that exists already
        SlotUnavailable, SeatUnavailable, TooManyHolds, AlreadyExists, IdempotencyKeyMismatch
        TooManyCalendarFeeds, TooManyWebhookEndpoints
        RuleBroken                   a booking rule stands between this time and a visit
        VisitsAffected               the change would leave visits behind
      HoldExpired, EventsGone        it was there, and its time is over
      WrongState                     the thing is there, but not in the state for this
        VisitNotCancellable, … , VersionMismatch
      RateLimited                    too many calls in this minute
    Unavailable                      the caller may try again, with a 5xx
      DatabaseUnavailable, IdentityUnavailable, Overloaded

An error's docstring is the sentence people read. Its `code` is the `error` of the answer
(CONTRACT.md section 2, decision 1); its facts become `details`. Status codes stand in
`http/errors.py` and nowhere else.
"""

from typing import Any, ClassVar


class BookwellError(Exception):
    """Something the service says to its caller."""

    code: ClassVar[str]
    # Whether an idempotency key led to this refusal before, and it is told again.
    is_replay = False

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:  # noqa: ANN401 - facts are any JSON value
        self.message = message or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.facts = {name: value for name, value in facts.items() if value is not None}
        super().__init__(self.message)


class Refused(BookwellError):
    """The request was understood and refused."""


class InvalidInput(Refused):
    """The request is not valid."""

    code = "validation_error"

    def __init__(self, message: str, /, *, field: str) -> None:
        super().__init__(message, field=field)


class Unauthenticated(Refused):
    """A bearer token is required."""

    code = "unauthenticated"


class InvalidToken(Refused):
    """The token is unknown, expired or revoked."""

    code = "invalid_token"


class InsufficientScope(Refused):
    """The token does not carry the scope this operation needs."""

    code = "insufficient_scope"


class Forbidden(Refused):
    """This caller may not do this."""

    code = "forbidden"


class NotFound(Refused):
    """There is no such thing."""

    code = "not_found"


class NotAcceptable(Refused):
    """The answer is a stream of events, text/event-stream, and Accept does not allow that."""

    code = "not_acceptable"


class Conflict(Refused):
    """Somebody else was first."""


class SlotUnavailable(Conflict):
    """The slot is no longer available."""

    code = "slot_unavailable"


class SeatUnavailable(Conflict):
    """The office-hour slot has no seat left for this patient."""

    code = "slot_unavailable"


class TooManyCalendarFeeds(Conflict):
    """This calendar has as many addresses as it may."""

    code = "too_many_calendar_feeds"


class TooManyWebhookEndpoints(Conflict):
    """This brand has as many webhook endpoints as a brand may."""

    code = "too_many_webhook_endpoints"


class TooManyHolds(Conflict):
    """This patient holds as many slots as a patient may."""

    code = "too_many_holds"


class AlreadyExists(Conflict):
    """This id is taken."""

    code = "already_exists"


class IdempotencyKeyMismatch(Conflict):
    """This idempotency key was used for another request."""

    code = "idempotency_key_payload_mismatch"


class RuleBroken(Conflict):
    """A booking rule does not allow a visit at this time."""

    code = "rule_broken"


class VisitsAffected(Conflict):
    """Visits lie in the time that would no longer be offered."""

    code = "visits_affected"


class DisruptionOutOfDate(Conflict):
    """Other visits are affected now than when this disruption was last looked at."""

    code = "disruption_out_of_date"


class VisitsUndecided(Conflict):
    """Nobody has decided about some of the visits."""

    code = "visits_undecided"


class HoldExpired(Refused):
    """The hold ran out before it was confirmed."""

    code = "hold_expired"


class EventsGone(Refused):
    """Events from before are too old to be kept."""

    code = "events_gone"


class WrongState(Refused):
    """The thing is not in a state that allows this."""


class VisitNotConfirmable(WrongState):
    """Only a held visit can be confirmed."""

    code = "visit_not_confirmable"


class VisitNotCancellable(WrongState):
    """A visit can be cancelled only while it is held or booked."""

    code = "visit_not_cancellable"


class VisitNotReschedulable(WrongState):
    """Only a booked visit can be rescheduled."""

    code = "visit_not_reschedulable"


class VisitNotReadyForCheckIn(WrongState):
    """Only a booked visit can be checked in."""

    code = "visit_not_ready_for_check_in"


class VisitNotCompletable(WrongState):
    """Only a booked or checked-in visit can be completed."""

    code = "visit_not_completable"


class VisitNotMissed(WrongState):
    """Only a booked visit whose time has begun can be marked as a no-show."""

    code = "visit_not_missed"


class SlotNotDeletable(WrongState):
    """A booked slot cannot be deleted."""

    code = "slot_not_deletable"


class BookingNotCancellable(WrongState):
    """An office-hour booking can be cancelled only while it is booked and has not ended."""

    code = "booking_not_cancellable"


class CancellationWindowClosed(WrongState):
    """It is too late to cancel this visit."""

    code = "cancellation_window_closed"


class RescheduleWindowClosed(WrongState):
    """It is too late to reschedule this visit."""

    code = "reschedule_window_closed"


class DisruptionNotOpen(WrongState):
    """This disruption was committed or abandoned already."""

    code = "disruption_not_open"


class WebhookEndpointDisabled(WrongState):
    """Nothing is sent to this webhook endpoint while it is disabled."""

    code = "webhook_endpoint_disabled"


class VersionMismatch(WrongState):
    """It has changed since the version named in If-Match."""

    code = "version_mismatch"


class RateLimited(Refused):
    """Too many requests in this minute."""

    code = "rate_limited"

    def __init__(self, *, retry_after_ms: int) -> None:
        super().__init__(None)
        self.retry_after_ms = retry_after_ms


class Unavailable(BookwellError):
    """The service cannot answer now; the same request may be sent again."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database does not answer; nothing was half done, try again."""

    code = "database_unavailable"


class IdentityUnavailable(Unavailable):
    """The identity service does not answer, so nobody can be admitted; try again."""

    code = "identity_unavailable"


class Overloaded(Unavailable):
    """The service is at its limit; try again in a moment."""

    code = "overloaded"
