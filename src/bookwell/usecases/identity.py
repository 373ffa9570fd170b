"""Who a bearer token stands for: asked of the identity service, or of our own tokens.

Both answer from memory for a few seconds. Introspected callers are believed as long as their
introspection is; our own tokens until their revocation is announced, and never when the
announcements cannot be heard (CONTRACT.md section 2, decision 7).
"""

import time
from dataclasses import dataclass
from typing import Protocol

from bookwell.domain.callers import Caller, Claims, Role
from bookwell.gateways.introspection import Introspection
from bookwell.storage import catalog, tokens
from bookwell.storage.database import Database
from bookwell.storage.told_once import hash_of

# A caller is looked up again after this, whatever was announced.
CACHE_SECONDS = 5.0
# Callers in memory; more make room by forgetting the oldest.
CACHED_MAX = 50_000


class Authenticator(Protocol):
    """Tells whom a bearer token stands for."""

    async def caller_of(self, token: str) -> Caller | None:
        """The caller, or None where the token is unknown, expired or revoked.

        Raises:
            IdentityUnavailable, DatabaseUnavailable: It cannot be said now; admit nobody.
        """

    def forget_all(self) -> None:
        """Look everybody up again."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    good_until: float


class OwnTokens:
    """The tokens this service issued itself."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[bytes, _Remembered] = {}
        # Set by whoever listens for revocations; without a listener nothing is remembered.
        self.hears_revocations = False
        # How often something was to be forgotten. A look-up that began before may be stale after.
        self._forgotten = 0

    async def caller_of(self, token: str) -> Caller | None:
        token_hash = hash_of(token)
        remembered = self._remembered.get(token_hash)
        if remembered is not None and self.hears_revocations:
            if time.monotonic() < remembered.good_until:
                return remembered.caller
            del self._remembered[token_hash]
        asked_at, heard_since = time.monotonic(), self.hears_revocations
        forgotten = self._forgotten
        async with self._database.reading() as connection:
            known = await tokens.find(connection, token_hash)
        if known is None:
            return None
        if heard_since and self.hears_revocations and forgotten == self._forgotten:
            lives_on = CACHE_SECONDS if known.expires_in is None else known.expires_in
            good_until = asked_at + min(CACHE_SECONDS, lives_on)
            _make_room(self._remembered)
            self._remembered[token_hash] = _Remembered(known.caller, good_until)
        return known.caller

    def forget(self, token_hash: bytes) -> None:
        """A revocation was announced."""
        self._forgotten += 1
        self._remembered.pop(token_hash, None)

    def forget_all(self) -> None:
        """Announcements were missed, perhaps."""
        self._forgotten += 1
        self._remembered.clear()


class IntrospectedTokens:
    """Tokens of the platform's identity service.

    A user is staff who carries `staff_scope`; where none is given, whose subject is no patient's.
    """

    def __init__(
        self, database: Database, introspection: Introspection, *, staff_scope: str | None = None
    ) -> None:
        self._database = database
        self._introspection = introspection
        self._staff_scope = staff_scope
        self._remembered: dict[bytes, tuple[Claims, Caller]] = {}

    async def caller_of(self, token: str) -> Caller | None:
        claims = await self._introspection.introspect(token)
        if claims is None:
            return None
        token_hash = hash_of(token)
        remembered = self._remembered.get(token_hash)
        # The same object: so it comes from the introspection's own cache, and is as fresh.
        if remembered is not None and remembered[0] is claims:
            return remembered[1]
        caller = await self._caller_from(claims)
        if caller is not None:
            _make_room(self._remembered)
            self._remembered[token_hash] = (claims, caller)
        return caller

    def forget_all(self) -> None:
        """Look everybody's patient up again; the introspection forgets by itself."""
        self._remembered.clear()

    async def _caller_from(self, claims: Claims) -> Caller | None:
        subject = claims.subject or claims.client_id
        if subject is None:
            return None
        if claims.token_type == "service" or subject == claims.client_id:  # noqa: S105 - a type, no secret
            return Caller(
                role=Role.SERVICE, subject=subject, brand_id=claims.brand_id, scopes=claims.scopes
            )
        async with self._database.reading() as connection:
            patients = await catalog.patients_of_subject(connection, subject)
        if self._staff_scope is not None:
            is_staff = self._staff_scope in claims.scopes
        else:
            # Whoever is a patient of any brand is one here too, and never staff of another brand.
            is_staff = not patients
        brand_id = claims.brand_id
        if brand_id is None and len(patients) == 1:
            brand_id = next(iter(patients))
        return Caller(
            role=Role.STAFF if is_staff else Role.PATIENT,
            subject=subject,
            brand_id=brand_id,
            scopes=claims.scopes,
            patient_id=patients.get(brand_id) if brand_id is not None else None,
        )


def _make_room(remembered: "dict[bytes, _Remembered] | dict[bytes, tuple[Claims, Caller]]") -> None:
    if len(remembered) >= CACHED_MAX:
        del remembered[next(iter(remembered))]
