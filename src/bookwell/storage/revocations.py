"""Hears which tokens were revoked, for as long as the worker lives."""

from typing import Protocol

from bookwell.storage.hearing import Hearing
from bookwell.storage.tokens import REVOCATION_CHANNEL


class Hearer(Protocol):
    """Who wants to know."""

    hears_revocations: bool

    def forget(self, token_hash: bytes) -> None: ...

    def forget_all(self) -> None: ...


async def listen(database_url: str, hearer: Hearer) -> None:
    """Tell `hearer` of every revocation until cancelled; while nothing can be heard, tell it so."""

    def found() -> None:
        hearer.hears_revocations = True

    def lost() -> None:
        hearer.hears_revocations = False
        hearer.forget_all()

    hearing = Hearing(
        database_url, REVOCATION_CHANNEL, what="revocations", on_found=found, on_lost=lost
    )
    hearing.tell(lambda payload: hearer.forget(bytes.fromhex(payload)))
    await hearing.listen()
