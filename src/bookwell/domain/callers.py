"""Who calls, and what a token allows them (CONTRACT.md section 2, decisions 7 to 9)."""

from dataclasses import dataclass, replace
from enum import StrEnum

# Events are ours beside the contract's three; nobody writes one.
RESOURCES = ("visits", "slots", "bookings")
EVENTS_SCOPE = "read:events"
ADMIN_SCOPE = "admin:booking"
# Staff who may overrule a brand's own policy, with a reason (docs/decisions/0022). `manage:visits`
# is read and write and does not say so.
OVERRIDE_SCOPE = "override:visits"
SCOPES = (
    *(f"{verb}:{noun}" for noun in RESOURCES for verb in ("read", "write", "manage")),
    EVENTS_SCOPE,
    OVERRIDE_SCOPE,
    ADMIN_SCOPE,
)

# Ids have at least one character, so this is nobody's.
NOBODY = ""


class Role(StrEnum):
    """What kind of caller a token stands for."""

    PATIENT = "patient"
    STAFF = "staff"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an identity service says of an active token (RFC 7662 section 2.2).

    `expires_at` is in seconds since the epoch, as `exp` is.
    """

    subject: str | None
    client_id: str | None
    scopes: frozenset[str]
    expires_at: float | None
    brand_id: str | None
    token_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller. `brand_id` is None only for a service that has not named one yet."""

    role: Role
    subject: str
    brand_id: str | None
    scopes: frozenset[str]
    patient_id: str | None = None
    # A service of the whole platform, also while it acts for a brand it named.
    is_platform: bool = False
    # Stands at the machine's own command line; no token ever says so.
    is_operator: bool = False

    def acting_for(self, brand_id: str) -> "Caller":
        """The same service, for this brand."""
        return replace(self, brand_id=brand_id, is_platform=True)

    @property
    def serves_every_brand(self) -> bool:
        """Whether this is a service whose token belongs to no single brand."""
        return self.is_platform or (self.role is Role.SERVICE and self.brand_id is None)

    @property
    def actor_type(self) -> str:
        if self.is_operator:
            return "system"
        return "service" if self.role is Role.SERVICE else "user"

    def may(self, scope: str) -> bool:
        """Whether the token grants `scope`; `manage` is read and write, `admin:booking` is all.

        A patient's app never has `admin:booking`, whatever its token says.
        """
        if ADMIN_SCOPE in self.scopes and self.role is not Role.PATIENT:
            return True
        if scope == ADMIN_SCOPE or (scope == OVERRIDE_SCOPE and self.role is Role.PATIENT):
            return False
        if scope in {OVERRIDE_SCOPE, EVENTS_SCOPE}:
            return scope in self.scopes
        return scope in self.scopes or f"manage:{scope.partition(':')[2]}" in self.scopes


def operator(name: str) -> Caller:
    """Whoever runs the service, at its command line: may everything, for every brand."""
    return Caller(
        role=Role.SERVICE,
        subject=name,
        brand_id=None,
        scopes=frozenset({ADMIN_SCOPE}),
        is_platform=True,
        is_operator=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A caller's promise that two requests are one (CONTRACT.md section 2, decision 10)."""

    key: str
    route: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as the use cases see it: who calls, for which brand, and with which key."""

    caller: Caller
    brand_id: str
    request_id: str
    key: IdempotencyKey | None = None

    def without_key(self) -> "Call":
        """The same call, each time anew."""
        return replace(self, key=None)

    @property
    def patient_id(self) -> str | None:
        """The only patient this caller may see, or None for staff and services.

        A patient's token whose subject is no patient of the brand sees `NOBODY`, whom no id equals.
        """
        if self.caller.role is not Role.PATIENT:
            return None
        return self.caller.patient_id or NOBODY
