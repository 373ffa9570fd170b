"""The demo's tokens. The database keeps only hashes, so the tokens themselves lie in a file."""

from pathlib import Path

import msgspec

from bookwell.demo.people import BRANDS, patients_of
from bookwell.demo.seeding import call_for
from bookwell.demo.whole_files import write_whole
from bookwell.domain.callers import ADMIN_SCOPE, OVERRIDE_SCOPE, Role
from bookwell.storage import tokens as stored
from bookwell.storage.database import Database
from bookwell.storage.told_once import hash_of
from bookwell.usecases.tokens import DEFAULT_SCOPES, create_token

TOKENS_FILE = "demo-tokens.json"

# By brand, then by the token's name in the manifest.
Tokens = dict[str, dict[str, str]]


async def keep_tokens(database: Database, data_dir: Path) -> Tokens:
    """The tokens of last time where they still live, fresh ones where not; kept for next time."""
    path = data_dir / TOKENS_FILE
    before = _read(path)
    tokens: Tokens = {}
    for brand_id in BRANDS:
        mine = tokens[brand_id] = {}
        for name, (role, subject, scopes) in _wanted(brand_id).items():
            secret = before.get(brand_id, {}).get(name)
            identity = brand_id, subject, frozenset(scopes)
            if secret is None or not await _lives(database, secret, identity):
                issued = await create_token(
                    database,
                    call_for(brand_id),
                    role=role,
                    subject=subject,
                    scopes=scopes,
                    expires_in=None,
                )
                secret = issued.secret
            mine[name] = secret
    if tokens != before:
        write_whole(path, tokens)
    return tokens


def _wanted(brand_id: str) -> dict[str, tuple[Role, str, tuple[str, ...]]]:
    patient, other_patient, *_ = patients_of(brand_id)
    # The service's token also opens /v1/admin, so that it can be tried.
    service_scopes = (*DEFAULT_SCOPES[Role.SERVICE], ADMIN_SCOPE)
    # The staff's may overrule the brand's booking rules, and say why, so that this can be, too.
    staff_scopes = (*DEFAULT_SCOPES[Role.STAFF], OVERRIDE_SCOPE)
    return {
        "patient": (Role.PATIENT, patient.subject, DEFAULT_SCOPES[Role.PATIENT]),
        "other_patient": (Role.PATIENT, other_patient.subject, DEFAULT_SCOPES[Role.PATIENT]),
        "staff": (Role.STAFF, f"demo-staff-{brand_id}", staff_scopes),
        "service": (Role.SERVICE, f"demo-service-{brand_id}", service_scopes),
    }


async def _lives(
    database: Database, secret: str, identity: tuple[str, str, frozenset[str]]
) -> bool:
    """Whether it still is a token for this brand and subject, with these scopes."""
    async with database.reading() as connection:
        known = await stored.find(connection, hash_of(secret))
    if known is None:
        return False
    caller = known.caller
    return (caller.brand_id, caller.subject, caller.scopes) == identity


def _read(path: Path) -> Tokens:
    """What the file holds; nothing, if it is missing or not what we wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tokens)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
