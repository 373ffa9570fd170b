"""Our own ids: ULIDs with a prefix, of which no two are equal."""

import subprocess
import sys
import time

from ulid import ULID

from bookwell.domain.ids import VISIT, new_id


def ids(count: int) -> list[str]:
    return [new_id(VISIT) for _ in range(count)]


def test_an_id_is_a_prefix_and_a_ulid_of_now() -> None:
    before = int(time.time() * 1000)

    prefix, _, text = new_id(VISIT).partition("_")

    ulid = ULID.from_str(text)
    assert prefix == "vis"
    assert str(ulid) == text
    assert before <= ulid.milliseconds <= int(time.time() * 1000)


def test_ids_of_later_milliseconds_sort_after_earlier_ones() -> None:
    made = []
    for _ in range(20):
        made.append(new_id(VISIT))
        time.sleep(0.0015)

    assert made == sorted(made)


def test_every_character_of_the_random_part_varies() -> None:
    texts = ids(5_000)

    places = list(zip(*(text[-16:] for text in texts), strict=True))
    assert [len(set(place)) for place in places] == [32] * 16


def test_no_two_ids_are_equal_not_even_of_processes_that_were_forked() -> None:
    # In a process of its own, because one with threads should not fork.
    program = (
        "import os; from bookwell.domain.ids import new_id; new_id('vis');"
        "is_parent = os.fork() and os.wait();"
        "print(*(new_id('vis') for _ in range(1000)), flush=True)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    made = [*ids(1_000), *ended.stdout.split()]
    assert len(made) == 3_000
    assert len(set(made)) == len(made)
