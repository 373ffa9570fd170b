"""A whole run: arrange a world, race, look at what is left, judge, and report."""

import os
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx

from bookwell import __version__
from bookwell.prove.aftermath import Aftermath, ask_api, ask_database
from bookwell.prove.arrangement import arrange
from bookwell.prove.calls import ANSWER_PATIENCE_SECONDS, PATIENCE_WITH_FAULTS_SECONDS
from bookwell.prove.checks import all_checks
from bookwell.prove.faults import Faults
from bookwell.prove.history import Attempt, History, Operation
from bookwell.prove.places import Place
from bookwell.prove.race import race
from bookwell.prove.report import Machine, Report, Target
from bookwell.prove.tallies import TOTAL, tallies, tally, timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many clients race for how long; what they try is drawn from the seed."""

    clients: int
    seconds: float
    seed: int


Announce = Callable[[str], None]


async def prove(
    place: Place, plan: Plan, *, faults: Faults | None = None, announce: Announce
) -> tuple[History, Report]:
    """Run it. `announce` is told what happens next.

    Raises:
        CannotProve: The service cannot be reached, or does not let the token do this.
        CannotServe: A service of our own did not come back after a fault.
        DatabaseUnavailable: The database was named and cannot be asked.
    """
    patience = PATIENCE_WITH_FAULTS_SECONDS if faults else ANSWER_PATIENCE_SECONDS
    async with _client(place, plan, patience) as http:
        announce("Arranging a brand of its own")
        world = await arrange(http, clients=plan.clients)
        announce(f"Racing: {plan.clients} clients for {plan.seconds:g} seconds")
        beside: AbstractContextManager[object] | None = faults
        history, began = await race(
            http,
            world,
            clients=plan.clients,
            seconds=plan.seconds,
            seed=plan.seed,
            beside=beside,
        )
        announce("Asking what is left, and judging the history")
        # After a fault the database may be in another place.
        database_url = place.service.database_url if place.service else place.database_url
        if database_url is not None:
            found = await ask_database(database_url, world)
        else:
            found = await ask_api(http, world)
    return history, _report(place, plan, history, found, faults, began)


def _client(place: Place, plan: Plan, patience_seconds: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=place.base_url,
        headers={"Authorization": f"Bearer {place.token}"},
        timeout=patience_seconds,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=plan.clients + 1),
        # A proxy between us and the service would be another thing to prove.
        trust_env=False,
    )


def _report(
    place: Place,
    plan: Plan,
    history: History,
    found: Aftermath,
    faults: Faults | None,
    began: float,
) -> Report:
    attempts = history.attempts
    checks = all_checks(history, found)
    by_number = {attempt.number: attempt for attempt in attempts}
    named = dict.fromkeys(number for check in checks for number in check.calls)
    return Report(
        began_at=history.world.began_at,
        seconds=plan.seconds,
        seed=plan.seed,
        clients=plan.clients,
        target=Target(
            base_url=place.base_url,
            is_embedded=place.service is not None,
            workers=place.workers,
            is_database_asked=found.is_of_database,
            database_version=found.database_version,
            brand_id=history.world.brand_id,
        ),
        machine=this_machine(),
        tallies=tallies(attempts),
        total=tally(TOTAL, attempts),
        timeline=timeline(attempts, plan.seconds),
        checks=checks,
        faults=[blow.since(began) for blow in faults.struck] if faults else [],
        named_calls={
            number: told(by_number[number], history.world.brand_id) for number in sorted(named)
        },
    )


def this_machine() -> Machine:
    """Where this runs."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processors=os.cpu_count() or 1,
        python=platform.python_version(),
        bookwell=__version__,
    )


def told(attempt: Attempt, brand_id: str) -> str:
    """One call as a sentence that says where to look for it."""
    towards = "to slot" if attempt.operation is Operation.RESCHEDULE else "slot"
    patient = (attempt.patient_id or "").removeprefix(f"{brand_id}-")
    aims = (
        attempt.visit_id or attempt.booking_id,
        attempt.slot_id and f"{towards} {attempt.slot_id}",
        f"the session at {attempt.slot_at:%H:%M}" if attempt.slot_at else None,
        patient and f"for {patient}",
    )
    aim = " ".join(each for each in aims if each)
    said = attempt.outcome
    if said is None:
        answer = f"no answer ({attempt.lost_because})"
    elif said.error is not None:
        answer = f"{said.status} {said.error}"
    else:
        answer = f"{said.status} {said.id} {said.state}"
        answer += f" version {said.version}" if said.version else ""
    at = f"called at {attempt.called_at:.3f} s"
    if attempt.answered_at is not None:
        at = f"{attempt.called_at:.3f} to {attempt.answered_at:.3f} s"
    asked = f", request {said.request_id}" if said and said.request_id else ""
    what = attempt.operation.replace("_", " ")
    return f"client {attempt.client}, {what} {aim}, {at}: {answer}{asked}"
