"""A run: two brands, clients, kills and bad receivers; then peace, until everything has left."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec
from msgspec import structs

from bookwell.prove.arrangement import CannotProve, json_of
from bookwell.prove.calls import PATIENCE_WITH_FAULTS_SECONDS, Door
from bookwell.prove.events.arrangement import BRANDS, ROTATED, Arranged, arrange_brand
from bookwell.prove.events.changes import Changer, Turns
from bookwell.prove.events.clock import Clock
from bookwell.prove.events.fingerprints import Json
from bookwell.prove.events.followers import Follower
from bookwell.prove.events.receivers import Mailbox, Receivers
from bookwell.prove.events.record import Committed, Digest, Drained, Record, Rotation
from bookwell.prove.events.rows import committed_of, counts_of
from bookwell.prove.faults import Faults
from bookwell.prove.history import Attempt
from bookwell.prove.places import Place
from bookwell.prove.race import in_threads
from bookwell.storage.database import Database

# Far more than the seconds that are allowed: what comes too late should be seen to come.
DRAIN_PATIENCE_SECONDS = 90.0
DRAIN_POLL_SECONDS = 0.25
# Long enough that the secret before a rotation is good to the end of any run.
OVERLAP_MINUTES = 24 * 60
AGAIN_PAUSE_SECONDS = 0.3
CALL_TRIES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPlan:
    """How many clients make how many changes, spread over how many seconds at least."""

    clients: int
    changes: int
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """The brands of a run with the clients and readers of each."""

    clock: Clock
    brands: list[Arranged]
    https: list[httpx.AsyncClient]
    doors: list[Door]
    mailboxes: dict[str, Mailbox]
    logs: list[Follower]
    streams: list[Follower]


async def run_events(
    place: Place, plan: EventsPlan, *, faults: Faults, announce: Callable[[str], None]
) -> tuple[Record, float]:
    """Run it. The second value is when it began, by `time.monotonic`.

    Raises:
        CannotProve: The service does not let itself be arranged.
        CannotServe: It did not come back after a kill.
        DatabaseUnavailable: Its database cannot be asked.
    """
    assert place.service is not None, "only a service of our own is killed"
    began_at = datetime.now(UTC)
    clock = Clock()
    async with AsyncExitStack() as stack:
        receivers = await stack.enter_async_context(Receivers(plan.seed))
        announce("Arranging two brands and their webhook endpoints")
        run = await _arranged(stack, place, plan, receivers, clock)
        clock.start()
        for door in run.doors:
            door.open()
        announce(f"Making {plan.changes:,} changes while workers are killed and receivers fail")
        async with _reading(run):
            attempts, rotations = await _through_the_faults(run, plan, faults)
            behaves_since = receivers.behave_from_now_on()
            blows = [blow.struck_at for blow in faults.struck]
            last_fault_at = clock.since(max(behaves_since, *blows))
            announce("The faults are over; waiting until everything has left")
            drained = await _drain(run, place.service.database_url, last_fault_at)
        announce("Judging what everybody was told")
        committed, version = await committed_of(
            place.service.database_url, [b.brand_id for b in run.brands]
        )
        record = Record(
            began_at=began_at,
            brands=tuple(brand.brand_id for brand in run.brands),
            endpoints=[endpoint for brand in run.brands for endpoint in brand.endpoints],
            attempts=attempts,
            committed=committed,
            received=[
                structs.replace(each, at=clock.since(each.at))
                for mailbox in run.mailboxes.values()
                for each in mailbox.received
            ],
            followed=[heard for follower in run.logs for heard in follower.heard],
            streamed=[heard for follower in run.streams for heard in follower.heard],
            digests=await _digests(run, committed),
            rotations=rotations,
            strayed=receivers.strayed,
            kills=len(faults.struck),
            database_version=version,
            drained=drained,
        )
    return record, clock.began


async def _arranged(
    stack: AsyncExitStack, place: Place, plan: EventsPlan, receivers: Receivers, clock: Clock
) -> Run:
    run = Run(clock, [], [], [], {}, [], [])
    for name in BRANDS:
        http = await stack.enter_async_context(_client(place))
        clients = max(1, plan.clients // len(BRANDS))
        brand = await arrange_brand(http, receivers, run.mailboxes, name=name, clients=clients)
        run.brands.append(brand)
        run.https.append(http)
        run.doors.append(Door(http, brand.brand_id))
        run.logs.append(Follower(http, brand.brand_id, clock.seconds))
        run.streams.append(Follower(http, brand.brand_id, clock.seconds))
    return run


def _client(place: Place) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=place.base_url,
        headers={"Authorization": f"Bearer {place.token}"},
        timeout=PATIENCE_WITH_FAULTS_SECONDS,
        limits=httpx.Limits(max_connections=None),
        # A proxy between us and the service would be another thing to prove.
        trust_env=False,
    )


@asynccontextmanager
async def _reading(run: Run) -> AsyncIterator[None]:
    """Within the block everybody reads on."""
    tasks = [asyncio.ensure_future(follower.follow_log()) for follower in run.logs]
    tasks += [asyncio.ensure_future(follower.follow_stream()) for follower in run.streams]
    ended: list[object] = []
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended += await asyncio.gather(*tasks, return_exceptions=True)
    for why in ended:
        # Not cancelled, but by an error of our own.
        if isinstance(why, Exception):
            raise why


async def _through_the_faults(
    run: Run, plan: EventsPlan, faults: Faults
) -> tuple[list[Attempt], list[Rotation]]:
    turns = Turns(plan.changes, plan.seconds, run.clock.seconds)
    changers = [
        Changer(brand, client, plan.seed, door)
        for brand, door in zip(run.brands, run.doors, strict=True)
        for client in range(len(brand.slots))
    ]
    async with in_threads(faults):
        rotating = asyncio.ensure_future(_rotate(run, plan.seconds / 2))
        await asyncio.gather(rotating, *(changer.run(turns) for changer in changers))
    attempts = [attempt for changer in changers for attempt in changer.attempts]
    return sorted(attempts, key=lambda attempt: attempt.called_at), rotating.result()


async def _rotate(run: Run, at: float) -> list[Rotation]:
    """In the middle of the run, a new secret for one endpoint of each brand."""
    await asyncio.sleep(at)
    rotations = []
    for http, brand in zip(run.https, run.brands, strict=True):
        (endpoint,) = (each for each in brand.endpoints if each.name == ROTATED)
        began_at = run.clock.seconds()
        said = await _until_answered(
            http,
            "POST",
            f"/v1/webhook-endpoints/{endpoint.endpoint_id}/rotate-secret",
            headers={"Idempotency-Key": f"rotate-{endpoint.endpoint_id}"},
            json={"overlap_minutes": OVERLAP_MINUTES},
        )
        run.mailboxes[endpoint.endpoint_id].secrets.append(said["secret"])
        rotations.append(
            Rotation(
                endpoint_id=endpoint.endpoint_id, began_at=began_at, answered_at=run.clock.seconds()
            )
        )
    return rotations


async def _until_answered(
    http: httpx.AsyncClient, method: str, path: str, **request: object
) -> Json:
    """The answer to a call that must succeed, through whatever is killed meanwhile.

    Raises:
        CannotProve: It was refused, or never answered.
    """
    for _ in range(CALL_TRIES_MAX):
        with suppress(httpx.TransportError, OSError):
            response = await http.request(method, path, **request)  # type: ignore[arg-type]  # as it is
            if not response.is_server_error:
                return json_of(response, f"{method} {path}")
        await asyncio.sleep(AGAIN_PAUSE_SECONDS)
    raise CannotProve(f"{method} {path} was never answered.")


async def _drain(run: Run, database_url: str, last_fault_at: float) -> Drained:
    """Wait until everybody has everything; the instant of that, by the run's clock."""
    database = await Database.connect(database_url, pool_size=1)
    try:
        while True:
            counts, pending = await counts_of(database, [b.brand_id for b in run.brands])
            if not pending and _has_everything(run, counts):
                return Drained(
                    last_fault_at=last_fault_at, drained_at=run.clock.seconds(), pending=pending
                )
            if run.clock.seconds() > last_fault_at + DRAIN_PATIENCE_SECONDS:
                return Drained(last_fault_at=last_fault_at, drained_at=None, pending=pending)
            await asyncio.sleep(DRAIN_POLL_SECONDS)
    finally:
        await database.close()


def _has_everything(run: Run, counts: dict[str, dict[str, int]]) -> bool:
    """Whether there are as many everywhere as there are; which they are is judged later."""
    for brand, log, stream in zip(run.brands, run.logs, run.streams, strict=True):
        all_of_it = sum(counts[brand.brand_id].values())
        if min(len(log.heard), len(stream.heard)) < all_of_it:
            return False
        for endpoint in brand.endpoints:
            wanted = sum(
                count
                for event_type, count in counts[brand.brand_id].items()
                if endpoint.wants_type(event_type)
            )
            if len(run.mailboxes[endpoint.endpoint_id].taken) < wanted:
                return False
    return True


async def _digests(run: Run, committed: Iterable[Committed]) -> list[Digest]:
    days = {(event.brand_id, event.occurred_at.astimezone(UTC).date()) for event in committed}
    digests = []
    for http, brand in zip(run.https, run.brands, strict=True):
        for day in sorted(day for brand_id, day in days if brand_id == brand.brand_id):
            said = await _until_answered(
                http, "GET", "/v1/events/digest", params={"day": day.isoformat()}
            )
            digests.append(msgspec.convert(said, Digest))
    return digests
