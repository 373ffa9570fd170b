"""`bookwell visit-types`, beside a running service."""

import json

import pytest

from clinic import Clinic
from commands import Bookwell, Said
from envelope import ok
from world import LOOP


@pytest.fixture
def on_clinic(bookwell: Bookwell, clinic: Clinic) -> Bookwell:
    """Commands on the database of the running service."""

    def run(*arguments: str) -> Said:
        return bookwell("visit-types", *arguments, "--database-url", clinic.world.database_url)

    return run


def test_a_type_that_is_added_can_be_booked(on_clinic: Bookwell, clinic: Clinic) -> None:
    visit_type = clinic.new_id("type")
    said = on_clinic(
        *("add", visit_type, "--brand", LOOP, "--name", "Follow-up", "--minutes", "20"),
        *("--modality", "phone", "--booked-by", "staff"),
    )

    assert (said.code, said.err) == (0, ""), said
    assert said.out == f"Added the visit type {visit_type} to loop.\n"
    added = ok(clinic.get(f"/v1/visit-types/{visit_type}", brand_id=LOOP))
    assert (added["duration_minutes"], added["grid_minutes"]) == (20, 20)
    assert (added["modality"], added["booked_by"]) == ("phone", "staff")
    assert clinic.visit(visit_type=visit_type)["visit_type"] == visit_type


def test_types_are_listed_for_people_and_for_programs(on_clinic: Bookwell, clinic: Clinic) -> None:
    live, retired = (clinic.visit_type(duration_minutes=35) for _ in range(2))
    path = f"/v1/visit-types/{retired}"
    ok(clinic.call("DELETE", path, token=clinic.world.admin))

    shown = on_clinic("list", "--brand", LOOP)
    told = on_clinic("list", "--brand", LOOP, "--retired", "--json")

    (line,) = [line for line in shown.out.splitlines() if line.startswith(live)]
    assert "35" in line.split()
    assert retired not in shown.out
    types = {each["id"]: each for each in map(json.loads, told.out.splitlines())}
    assert types[live]["retired_at"] is None
    assert types[retired]["retired_at"] is not None
    assert types[live]["horizon_days"] == 1095


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "t", "--brand", "never", "--name", "N", "--minutes", "5"), "no brand never"),
        (
            ("add", "t", "--brand", LOOP, "--name", "N", "--minutes", "0"),
            "greater than or equal to 1",
        ),
        (("add", "", "--brand", LOOP, "--name", "N", "--minutes", "5"), "1 to 128 characters"),
        (("add", "follow_up", "--brand", LOOP, "--name", "N", "--minutes", "5"), "already"),
        (("list", "--brand", "never"), "no brand never"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    on_clinic: Bookwell, clinic: Clinic, arguments: tuple[str, ...], sentence: str
) -> None:
    clinic.visit_type()  # and with it follow_up

    said = on_clinic(*arguments)

    assert said.code == 2
    assert sentence in said.err
    assert said.out == ""
