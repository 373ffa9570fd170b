"""Errors at the HTTP door: one table from error to status, one shape of body.

Every 4xx and 5xx, of our own or of the framework's making, is `{error, message, request_id}` and,
where it helps, `details` (CONTRACT.md section 2, decision 1).
"""

import math
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from msgspec import UNSET, Struct, UnsetType

from bookwell.domain import errors
from bookwell.domain.errors import BookwellError
from bookwell.http.facts import facts_of
from bookwell.http.fields import problem_of
from bookwell.logs import places_of

# The closest type counts: a VisitNotCancellable is a WrongState.
STATUS: dict[type[BookwellError], int] = {
    errors.InvalidInput: 400,
    errors.Unauthenticated: 401,
    errors.InvalidToken: 401,
    errors.InsufficientScope: 403,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.HoldExpired: 410,
    errors.EventsGone: 410,
    errors.WrongState: 412,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}

# Codes of what never reaches a use case.
FRAMEWORK_CODES = {
    400: ("validation_error", "The request is not valid."),
    404: ("not_found", "There is no such operation."),
    405: ("method_not_allowed", "This operation does not take that method."),
    413: ("payload_too_large", "The request body is too long."),
    415: ("unsupported_media_type", "The request body must be JSON."),
    431: ("headers_too_large", "The request line and headers are too long."),
}
INTERNAL_ERROR = ("internal_error", "Something went wrong on our side.")

# Long enough for a restart to make progress, short enough that nobody notices.
RETRY_AFTER_SECONDS = 1

_log = structlog.get_logger("bookwell.http")

AnyRequest = Request[Any, Any, Any]


class ErrorBody(Struct, kw_only=True):
    """What every error says."""

    error: str
    message: str
    request_id: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


def status_of(error: type[BookwellError]) -> int:
    """The HTTP status of an error type."""
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def answer_refusal(request: AnyRequest, error: BookwellError) -> Response[ErrorBody]:
    """The answer to what the service refuses, or cannot do now."""
    status = status_of(type(error))
    headers = dict(_challenge(error))
    body = ErrorBody(
        error=error.code,
        message=error.message,
        request_id=facts_of(request).request_id,
        details=error.facts or UNSET,
    )
    if isinstance(error, errors.RateLimited):
        body.retry_after_ms = error.retry_after_ms
        headers["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if error.is_replay:
        headers["Idempotency-Replayed"] = "true"
    return Response(body, status_code=status, headers=headers)


def answer_framework(request: AnyRequest, error: HTTPException) -> Response[ErrorBody]:
    """The answer to what Litestar refuses: no such route, a body that does not fit."""
    status = 400 if error.status_code == 422 else error.status_code  # noqa: PLR2004 - a status
    code, message = FRAMEWORK_CODES.get(status, INTERNAL_ERROR)
    details: dict[str, Any] | UnsetType = UNSET
    if isinstance(error, ValidationException):
        field, sentence = _field_and_sentence(error)
        message, details = sentence, {"field": field}
    body = ErrorBody(
        error=code, message=message, request_id=facts_of(request).request_id, details=details
    )
    return Response(body, status_code=status, headers=error.headers)


def answer_bug(request: AnyRequest, error: Exception) -> Response[ErrorBody]:
    """The answer to our own mistake. The log has its place and none of its values."""
    _log.error(
        "internal_error",
        request_id=facts_of(request).request_id,
        kind=type(error).__name__,
        where=places_of(error.__traceback__),
    )
    code, message = INTERNAL_ERROR
    body = ErrorBody(error=code, message=message, request_id=facts_of(request).request_id)
    return Response(body, status_code=HTTP_500_INTERNAL_SERVER_ERROR)


def _challenge(error: BookwellError) -> list[tuple[str, str]]:
    """The WWW-Authenticate of RFC 6750 section 3."""
    if isinstance(error, errors.Unauthenticated):
        return [("WWW-Authenticate", 'Bearer realm="bookwell"')]
    if isinstance(error, errors.InvalidToken):
        return [("WWW-Authenticate", 'Bearer realm="bookwell", error="invalid_token"')]
    if isinstance(error, errors.InsufficientScope):
        scope = error.facts["scope"]
        return [
            (
                "WWW-Authenticate",
                f'Bearer realm="bookwell", error="insufficient_scope", scope="{scope}"',
            )
        ]
    return []


def _field_and_sentence(error: ValidationException) -> tuple[str, str]:
    """The first field that does not fit and why, without its value."""
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else None
    if first is None:  # a required parameter is missing; Litestar names it in its sentence only
        _, _, rest = error.detail.partition("'")
        field = rest.partition("'")[0]
        return field or "body", f"{field} is required." if field else "The request is not valid."
    field = str(first.get("key", "body")).rstrip("_")
    if field == "data":  # no body at all
        return "body", "The request body must be a JSON object."
    return field, problem_of(field, first["message"])
