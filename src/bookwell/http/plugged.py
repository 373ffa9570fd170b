"""What the routes work with, as `app` plugged it together."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from litestar import Litestar

from bookwell.domain.callers import Caller
from bookwell.domain.holds import HoldTerms
from bookwell.gateways.outbound import Outbound
from bookwell.storage.database import Database
from bookwell.usecases.identity import Authenticator
from bookwell.usecases.live import Live

_KEY = "plugged"


class Rates(Protocol):
    """Counts calls."""

    def count(self, caller: Caller, *, kind: str) -> None:
        """Count one call; RateLimited when it is one too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugged:
    """The real things behind the HTTP door."""

    database: Database
    authenticator: Authenticator
    rates: Rates
    hold_terms: HoldTerms
    # How far ahead slots are made out of schedules.
    horizon: timedelta
    # For how long the disruption desk holds what it chose.
    disruption_hold_length: timedelta
    # Where the outside finds this service, and a visit's call; None where nobody said.
    public_url: str | None
    join_url: str | None
    live: Live
    # The way to receivers of webhooks.
    outbound: Outbound


def plug_into(app: Litestar, plugged: Plugged) -> None:
    app.state[_KEY] = plugged


def plugged_into(app: Litestar) -> Plugged:
    plugged: Plugged = app.state[_KEY]
    return plugged
