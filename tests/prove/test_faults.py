"""A service of our own, what is done to it, and that nothing of it stays."""

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import httpx
import psycopg
import pytest

from bookwell.processes.listening import CannotServe
from bookwell.prove import own_service
from bookwell.prove.faults import Faults, Planned, Target, schedule
from bookwell.prove.own_service import OwnService
from commands import is_gone
from processes_of import is_shared_memory, processes_in, shared_memory_of, taken_port

PATIENCE_SECONDS = 60.0


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def first(seed: int, count: int) -> list[Planned]:
    return list(itertools.islice(schedule(seed), count))


def die_with_the_database(service: OwnService) -> NoReturn:
    server = service.postmaster()
    assert server is not None
    own_service.kill([server.process, *own_service.children_of(server.process)])
    raise ZeroDivisionError


def test_a_seed_draws_the_same_blows_again_and_another_seed_others() -> None:
    assert first(7, 40) == first(7, 40)
    assert first(7, 40) != first(8, 40)


@pytest.mark.parametrize("seed", range(5))
def test_of_each_round_of_blows_every_target_has_one_and_some_fall_before_it_is_up_again(
    seed: int,
) -> None:
    blows = first(seed, 16 * len(Target))

    for number in range(0, len(blows), len(Target)):
        assert {blow.target for blow in blows[number : number + len(Target)]} == set(Target)
    # The very first finds everything in order.
    assert blows[0].in_calm
    assert 5 <= sum(not blow.in_calm for blow in blows) <= 35


def test_every_part_is_killed_comes_back_and_keeps_its_address_and_what_was_committed() -> None:
    with OwnService() as service:
        base_url, database_url = service.base_url, service.database_url
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        before = service.postmaster()
        with Faults(service, seed=3) as faults:
            until(lambda: {blow.target for blow in faults.struck} == set(Target))

        assert httpx.get(f"{base_url}/readyz", trust_env=False).status_code == 200
        assert (service.base_url, service.database_url) == (base_url, database_url)
        assert len(service.workers()) == own_service.WORKERS
        assert len(service.couriers()) == own_service.COURIERS
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]
        after = service.postmaster()
        assert before is not None
        assert after is not None
        assert before.process != after.process
    struck = [blow.struck_at for blow in faults.struck]
    assert struck == sorted(struck)
    assert all(blow.process_count >= 1 for blow in faults.struck)
    # The last one's end was waited for.
    last = faults.struck[-1].since(struck[0])
    assert last.healed_at is not None
    assert last.healed_at > last.at >= 0
    assert last.what == f"killed {faults.struck[-1].target}"


def test_an_error_in_the_block_leaves_no_process_folder_or_memory_even_of_a_dead_database() -> None:
    service = OwnService()
    with pytest.raises(ZeroDivisionError), service, Faults(service, seed=1):  # noqa: PT012 - what ends the block
        running = processes_in(service.folder)
        memory = shared_memory_of(service.cluster)
        assert len(running) > 1 + own_service.WORKERS + own_service.COURIERS
        assert is_shared_memory(memory)
        die_with_the_database(service)

    assert not service.folder.exists()
    assert [process for process in running if not is_gone(process)] == []
    assert processes_in(service.folder) == []
    assert not is_shared_memory(memory)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.base_url}/readyz", trust_env=False)
    # Nor does anybody start it again.
    service.start()
    assert service.supervisor() is None


def test_a_service_that_cannot_start_is_told_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # As where another program has the port.
    with taken_port() as port:
        monkeypatch.setattr(own_service, "_free_port", lambda: port)

        with pytest.raises(
            CannotServe, match=f"did not start: .*Port {port} of 127.0.0.1 is in use"
        ):
            OwnService().__enter__()

    assert list(tmp_path.iterdir()) == []
