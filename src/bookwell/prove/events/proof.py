"""A whole run of `--events`: run, judge, and report."""

from collections import Counter

from bookwell.prove.events.checks import all_checks
from bookwell.prove.events.record import Endpoint, Record
from bookwell.prove.events.run import EventsPlan, run_events
from bookwell.prove.faults import Faults
from bookwell.prove.places import Place
from bookwell.prove.proof import Announce, this_machine, told
from bookwell.prove.report import Left, Report, Sent, Target
from bookwell.prove.tallies import TOTAL, tallies, tally, timeline


async def prove_events(
    place: Place, plan: EventsPlan, *, faults: Faults, announce: Announce
) -> tuple[Record, Report]:
    """Run it. `announce` is told what happens next.

    Raises:
        CannotProve: The service does not let itself be arranged.
        CannotServe: It did not come back after a fault.
        DatabaseUnavailable: Its database cannot be asked.
    """
    record, began = await run_events(place, plan, faults=faults, announce=announce)
    return record, _report(place, plan, record, faults, began)


def _report(place: Place, plan: EventsPlan, record: Record, faults: Faults, began: float) -> Report:
    attempts, checks = record.attempts, all_checks(record)
    by_number = {attempt.number: attempt for attempt in attempts}
    named = sorted({number for check in checks for number in check.calls})
    seconds = round(record.drained.last_fault_at, 1)
    brands = " and ".join(record.brands)
    return Report(
        began_at=record.began_at,
        seconds=seconds,
        seed=plan.seed,
        clients=plan.clients,
        target=Target(
            base_url=place.base_url,
            is_embedded=True,
            workers=place.workers,
            is_database_asked=True,
            database_version=record.database_version,
            brand_id=brands,
        ),
        machine=this_machine(),
        tallies=tallies(attempts),
        total=tally(TOTAL, attempts),
        timeline=timeline(attempts, seconds),
        checks=checks,
        faults=[blow.since(began) for blow in faults.struck],
        named_calls={number: told(by_number[number], brands) for number in named},
        left=Left(
            changes=plan.changes,
            planned_seconds=plan.seconds,
            has_every_fault=len(set(faults.targets)) > 1,
            events=len(record.committed),
            sent=[_sent(endpoint, record) for endpoint in record.endpoints],
            drained_seconds=record.drained.seconds,
        ),
    )


def _sent(endpoint: Endpoint, record: Record) -> Sent:
    mine = [each for each in record.received if each.endpoint_id == endpoint.endpoint_id]
    return Sent(
        name=endpoint.name,
        brand_id=endpoint.brand_id,
        events=sum(endpoint.wants(event) for event in record.committed),
        requests=len(mine),
        taken=sum(each.is_taken for each in mine),
        conducts=dict(Counter(each.conduct.value for each in mine).most_common()),
    )
