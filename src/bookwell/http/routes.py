"""What every route says of itself: its name, its scope, how it may be refused."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter

from bookwell.http.auth import admit
from bookwell.http.errors import ErrorBody

# The documented path parameters are called `id` and `coachId`; in Python they have better names.
PathId = Annotated[str, PathParameter(name="id")]
CoachId = Annotated[str, PathParameter(name="coachId")]

# Any guarded route may answer these; its own are added to them.
_ALWAYS = {
    400: "Validation error",
    401: "Not authenticated",
    403: "Not allowed",
    429: "Too many requests",
    503: "Try again",
}


def operation(operation_id: str, summary: str, *, tag: str, scope: str) -> dict[str, Any]:
    """The keywords of a guarded route's decorator. Its scope stands in the OpenAPI document."""
    admin = scope == "admin:booking"
    verb = "reads" if scope.startswith("read:") else "writes"
    return {
        "operation_id": operation_id,
        "summary": summary,
        "tags": [tag],
        "guards": [admit],
        "opt": {"scope": scope, "rate": "admin" if admin else verb},
        "security": [{"bearer": [scope]}],
    }


def refusals(titles: Mapping[int, str] | None = None) -> dict[int, ResponseSpec]:
    """The error answers of a route, by status, with the titles the documentation gives them."""
    merged = {**_ALWAYS, **(titles or {})}
    return {
        status: ResponseSpec(ErrorBody, description=title, generate_examples=False)
        for status, title in sorted(merged.items())
    }
