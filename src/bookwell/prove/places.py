"""Against what a race is run: a service somewhere, or one of our own that is thrown away after."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bookwell.domain.callers import ADMIN_SCOPE, Call, Role, operator
from bookwell.domain.ids import REQUEST, new_id
from bookwell.prove.own_service import OwnService
from bookwell.storage.database import Database
from bookwell.storage.tokens import EVERY_BRAND
from bookwell.usecases.tokens import create_token

# As the audit names who raced.
SUBJECT = "bookwell prove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A service, a token of the whole platform for it, and its database where we may ask that."""

    base_url: str
    token: str
    database_url: str | None
    # Ours: then it is known, and may be hurt.
    service: OwnService | None = None
    workers: int | None = None


@contextmanager
def own_place(*, workers: int, variables: Mapping[str, str] | None = None) -> Iterator[Place]:
    """A fresh embedded service; nothing is left of it at the end.

    Raises:
        CannotServe: It does not start; the message says why.
    """
    with OwnService(workers=workers, variables=variables) as service:
        database_url = service.database_url
        yield Place(
            base_url=service.base_url,
            token=asyncio.run(_token(database_url)),
            database_url=database_url,
            service=service,
            workers=workers,
        )


async def _token(database_url: str) -> str:
    database = await Database.connect(database_url, pool_size=1)
    try:
        issued = await create_token(
            database,
            Call(caller=operator(SUBJECT), brand_id=EVERY_BRAND, request_id=new_id(REQUEST)),
            role=Role.SERVICE,
            subject=SUBJECT,
            scopes=(ADMIN_SCOPE,),
            expires_in=None,
        )
    finally:
        await database.close()
    return issued.secret
