"""`bookwell prove` as an operator runs it: against a fresh service, and against one of their own."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from bookwell.prove import history as histories
from commands import Said, run_to_its_end
from conftest import serving, settings_for
from world import World

SHORT = ("--clients", "8", "--seconds", "1.5", "--seed", "7")


def read_history(path: Path) -> histories.History:
    """The whole run, as it was written: the world first, then an attempt in each line."""
    world, *attempts = path.read_bytes().splitlines()
    return histories.History(
        world=msgspec.json.decode(world, type=histories.World),
        attempts=[msgspec.json.decode(line, type=histories.Attempt) for line in attempts],
    )


def line_of(said: Said, name: str) -> str:
    """The line of the report about one check."""
    (line,) = [line for line in said.out.splitlines() if f" {name} " in line]
    return line


async def against(world: World, *arguments: str, token: str = "tok-platform") -> Said:  # noqa: S107 - a test's own
    """The command as a process of its own, against a service in this one."""
    async with serving(settings_for(world.database_url)) as base_url:
        return await asyncio.to_thread(
            run_to_its_end,
            *("prove", "--url", base_url, *SHORT, *arguments),
            BOOKWELL_PROVE_TOKEN=token,
        )


def test_a_fresh_service_is_raced_judged_and_gone(tmp_path: Path) -> None:
    history, report, page = (tmp_path / name for name in ("h.jsonl", "r.json", "r.html"))

    said = run_to_its_end(
        *("prove", *SHORT, "--workers", "1"),
        *("--history", str(history), "--json", str(report), "--html", str(page)),
    )

    assert said.code == 0, said.out + said.err
    told = json.loads(report.read_bytes())
    kept = read_history(history)
    assert told["seed"] == 7
    assert told["total"]["attempts"] == len(kept.attempts) > 20
    assert [check["name"] for check in told["checks"] if check["holds"] is not True] == []
    assert told["target"]["is_database_asked"]
    assert kept.world.brand_id == told["target"]["brand_id"]
    assert "<html" in page.read_text()
    assert "Nothing was found wrong" in said.out
    assert "double bookings" in said.out


async def test_a_service_of_ones_own_is_asked_through_its_lists(world: World) -> None:
    said = await against(world)

    assert said.code == 0, said.out + said.err
    assert "in the API's own list" in line_of(said, "double bookings")
    assert line_of(said, "events and audit rows").strip().startswith("?")
    assert "1 of 11 checks stayed open" in said.out
    assert "tok-platform" not in said.out + said.err


async def test_the_database_of_a_service_of_ones_own_is_asked_when_it_is_named(
    world: World,
) -> None:
    said = await against(world, "--database-url", world.database_url)

    assert said.code == 0, said.out + said.err
    assert "in the database" in line_of(said, "double bookings")
    assert line_of(said, "events and audit rows").strip().startswith("✓")


@pytest.mark.parametrize(
    ("token", "why"),
    [("tok-nobody", "401"), ("tok-staff-loop", "403")],
    ids=["unknown", "no admin"],
)
async def test_a_token_that_may_not_is_one_sentence(world: World, token: str, why: str) -> None:
    said = await against(world, token=token)

    assert (said.code, said.out) == (2, "")
    (sentence,) = [line for line in said.err.splitlines() if line.startswith("bookwell: ")]
    assert why in sentence
    assert "a service of the whole platform with admin:booking" in sentence


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--token", "tok"], "a token is for the service that --url names"),
        (["--url", "http://127.0.0.1:99999", "--token", "tok"], "a port that is none"),
        (["--url", "http://", "--token", "tok"], "--url names no host"),
        (["--url", "127.0.0.1:8000", "--token", "tok"], "--url must begin with http://"),
    ],
    ids=["no url", "no port", "no host", "no scheme"],
)
def test_what_does_not_go_together_is_said_before_anything_is_started(
    options: list[str], why: str
) -> None:
    said = run_to_its_end("prove", *options)

    assert (said.code, said.out) == (2, "")
    assert why in said.err
