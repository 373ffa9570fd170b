"""What PostgreSQL's errors mean: one table from constraint to refusal, one rule for the rest."""

import asyncpg

from bookwell.domain.errors import (
    AlreadyExists,
    BookwellError,
    DatabaseUnavailable,
    NotFound,
    SeatUnavailable,
    SlotUnavailable,
    Unavailable,
)

# A constraint that a request can run into, and what the caller hears. Each has a test.
MEANING: dict[str, type[BookwellError]] = {
    "visit_provider_no_overlap": SlotUnavailable,
    "office_hour_session_seats_within_capacity": SeatUnavailable,
    "office_hour_session_coach_no_overlap": SeatUnavailable,
    "office_hour_booking_patient_once": SeatUnavailable,
    "brand_id_once": AlreadyExists,
    "affiliation_once": AlreadyExists,
    "patient_id_once": AlreadyExists,
    "patient_subject_once": AlreadyExists,
    "token_hash_once": AlreadyExists,
    "patient_brand_exists": NotFound,
    "provider_brand_exists": NotFound,
    "affiliation_brand_exists": NotFound,
    "terms_brand_exists": NotFound,
}

IDEMPOTENCY_KEY_ONCE = "idempotency_key_once"

# Two transactions crossed each other, or one waited too long for the other.
_CROSSED = (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)

# The server is away, full, stopping, overloaded, or chose this transaction as a victim. In each
# case the transaction is gone as a whole and the same request may be sent again.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    *_CROSSED,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
)

# What asyncpg says of a connection that broke while nobody was looking; of a live one it is a bug.
BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)


def constraint_of(error: BaseException) -> str | None:
    """The constraint this error is about, if it is about one."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        name: str | None = error.constraint_name
        return name
    return None


def meaning_of(error: BaseException, *, connection_lost: bool = False) -> BookwellError | None:
    """What the caller should hear of this error, or None where it is a bug of ours."""
    constraint = constraint_of(error)
    if constraint is not None:
        refusal = MEANING.get(constraint)
        return refusal() if refusal else None
    if isinstance(error, _AWAY) or (connection_lost and isinstance(error, BROKEN)):
        return DatabaseUnavailable()
    return None


def is_of_one_row(error: Unavailable) -> bool:
    """Whether some row is why a statement for many failed, and the database is well."""
    return isinstance(error.__cause__, _CROSSED)
