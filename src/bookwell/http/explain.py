"""The route that says why a time is offered, or why not."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from litestar import get
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain.explanations import Explanation, RuleExplained
from bookwell.domain.ids import VISIBLE, VISIT_TYPE
from bookwell.http.calls import AnyRequest, call_of, database_of
from bookwell.http.fields import read_instant
from bookwell.http.routes import operation, refusals
from bookwell.http.search import MovedVisit, WantedPatient
from bookwell.usecases import explain


class RuleBody(Struct, kw_only=True):
    """What a rule says: the fact behind it as a sentence, its values as `details`.

    `passed` is null where it cannot be said, because no such provider works for the brand.
    """

    rule: str
    passed: bool | None
    fact: str
    details: Mapping[str, Any] | UnsetType = UNSET


class ExplanationBody(Struct, kw_only=True):
    """All booking rules, in the order in which refusals name them.

    Where several slots begin then, it is about the one for which most rules pass. Where none does,
    `slot_id` is null and the time is as long as the visit type.
    """

    bookable: bool
    slot_id: str | None
    start_time: datetime
    end_time: datetime
    rules: list[RuleBody]


def explanation_body(explanation: Explanation) -> ExplanationBody:
    return ExplanationBody(
        bookable=explanation.is_bookable,
        slot_id=explanation.slot_id,
        start_time=explanation.starts_at,
        end_time=explanation.ends_at,
        rules=[_rule_body(each) for each in explanation.rules],
    )


def _rule_body(explained: RuleExplained) -> RuleBody:
    return RuleBody(
        rule=explained.rule.value,
        passed=explained.passed,
        fact=explained.fact,
        details=UNSET if explained.details is None else explained.details,
    )


@get(
    "/v1/slots/explain",
    **operation("explain_slot", "Explain a time", tag="slots", scope="read:slots"),
    response_description="What each booking rule says",
    responses=refusals({404: "Patient, or visit to move, not found"}),
)
async def explain_slot(
    request: AnyRequest,
    brand_id: Annotated[str, QueryParameter(description="The caller's brand.")],
    visit_type: Annotated[
        str, QueryParameter(pattern=VISIT_TYPE, description="What the visit is to be.")
    ],
    provider_id: Annotated[
        str, QueryParameter(pattern=VISIBLE, description="Whose time it is to be.")
    ],
    start_time: Annotated[
        str,
        QueryParameter(
            description="When the visit is to begin.", schema_extra={"format": "date-time"}
        ),
    ],
    patient_id: WantedPatient = None,
    reschedule_of: MovedVisit = None,
) -> ExplanationBody:
    """Why this time may be booked, or why not: search and booking ask the same rules."""
    explanation = await explain.explain_time(
        database_of(request),
        await call_of(request, brand_id=brand_id),
        visit_type=visit_type,
        provider_id=provider_id,
        starts_at=read_instant(start_time, "start_time"),
        patient_id=patient_id,
        reschedule_of=reschedule_of,
    )
    return explanation_body(explanation)


ROUTES = [explain_slot]
