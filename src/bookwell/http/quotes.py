"""The route that says what cancelling or moving a visit would mean, before anyone does it."""

from datetime import datetime
from typing import Literal

from litestar import get
from msgspec import Struct

from bookwell.domain import quotes
from bookwell.domain.errors import CancellationWindowClosed, RescheduleWindowClosed
from bookwell.http.calls import AnyRequest, call_of, database_of
from bookwell.http.routes import PathId, operation, refusals
from bookwell.http.visit_types import Price
from bookwell.usecases import visits

ReasonCode = Literal["status", "cutoff"]


class RescheduleQuoteBody(Struct, kw_only=True):
    """What moving the visit now would mean, wherever to; fields as of the quote to cancel."""

    allowed: bool
    reason_code: ReasonCode | None
    late: bool
    free_until: datetime | None
    allowed_until: datetime | None


class QuoteBody(Struct, kw_only=True):
    """What cancelling the visit now would mean, under the terms it was booked under.

    From `free_until` on it is late, and from `allowed_until` on refused; null where there is no
    such limit. `price` is what it costs now, and `late_price` once it is late. `reason_code` says
    why it is not allowed.
    """

    visit_id: str
    status: str
    allowed: bool
    reason_code: ReasonCode | None
    late: bool
    price: Price | None
    late_price: Price | None
    free_until: datetime | None
    allowed_until: datetime | None
    reschedule: RescheduleQuoteBody


@get(
    "/v1/visits/{id:str}/cancel/quote",
    **operation(
        "quote_cancellation", "What cancelling would mean", tag="visits", scope="read:visits"
    ),
    response_description="The quote",
    responses=refusals({404: "Not found"}),
)
async def quote_cancellation(request: AnyRequest, visit_id: PathId) -> QuoteBody:
    """Whether the visit can be cancelled now, whether that is late, what it costs, until when not.

    It says the same of moving it.
    """
    visit, cancel, reschedule = await visits.quote_visit(
        database_of(request), await call_of(request), visit_id
    )
    return QuoteBody(
        visit_id=visit.visit_id,
        status=visit.status,
        allowed=cancel.refusal is None,
        reason_code=_reason_code(cancel),
        late=cancel.is_late,
        price=_price_body(cancel.price),
        late_price=_price_body(cancel.late_price),
        free_until=cancel.free_until,
        allowed_until=cancel.allowed_until,
        reschedule=RescheduleQuoteBody(
            allowed=reschedule.refusal is None,
            reason_code=_reason_code(reschedule),
            late=reschedule.is_late,
            free_until=reschedule.free_until,
            allowed_until=reschedule.allowed_until,
        ),
    )


def _reason_code(quote: quotes.Quote) -> ReasonCode | None:
    if quote.refusal is None:
        return None
    closed = isinstance(quote.refusal, CancellationWindowClosed | RescheduleWindowClosed)
    return "cutoff" if closed else "status"


def _price_body(price: quotes.Price | None) -> Price | None:
    return Price(amount_minor=price.amount_minor, currency=price.currency) if price else None


ROUTES = [quote_cancellation]
