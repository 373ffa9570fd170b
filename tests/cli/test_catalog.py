"""`bookwell brand | provider | coach | patient`, beside a running service."""

import pytest

from bookwell.cli.listing import PAGE_ROWS
from clinic import Clinic
from commands import Bookwell, Said


@pytest.fixture
def on_clinic(bookwell: Bookwell, clinic: Clinic) -> Bookwell:
    """Commands on the database of the running service."""

    def run(*arguments: str) -> Said:
        return bookwell(*arguments, "--database-url", clinic.world.database_url)

    return run


@pytest.fixture(scope="module")
def admin(clinic: Clinic) -> str:
    """A token that may see the catalogue over HTTP."""
    return clinic.token("service", "admin", brand_id="*", scopes=["admin:booking"])


def test_a_brand_with_its_people_is_made_and_can_book(on_clinic: Bookwell, clinic: Clinic) -> None:
    for arguments in [
        ("brand", "add", "new", "--name", "New Health"),
        ("provider", "add", "prv_new", "--brand", "new", "--name", "Dr. New"),
        ("coach", "add", "coach_new", "--brand", "new", "--name", "Coach New"),
        ("patient", "add", "pat_new", "--brand", "new", "--subject", "sub-new"),
    ]:
        said = on_clinic(*arguments)
        assert (said.code, said.err) == (0, ""), said
        assert arguments[2] in said.out

    token = on_clinic("token", "create", "--brand", "new", "--role", "patient", "--subject", "sub-new")  # fmt: skip
    slot_id = clinic.slot(provider_id="prv_new", brand_id="new")
    booked = clinic.post(
        "/v1/visits",
        {**clinic.world.book(slot_id), "brand_id": "new", "patient_id": "pat_new"},
        token=token.out.strip(),
    )
    assert booked.status_code == 201, booked.text


def test_a_person_who_works_for_another_brand_already_is_the_same_person(
    on_clinic: Bookwell, clinic: Clinic
) -> None:
    said = on_clinic("provider", "add", "prv_sam", "--brand", "loop", "--name", "Sam at Loop")

    assert said.code == 0
    assert clinic.world.sql(
        "SELECT count(*), count(DISTINCT provider_no) FROM booking.affiliation"
        " JOIN booking.provider USING (provider_no) WHERE provider_id = 'prv_sam'"
    ) == [(2, 1)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["brand", "add", "loop", "--name", "Again"], "There is a brand loop already."),
        (["provider", "add", "prv_kim", "--brand", "loop", "--name", "K"], "The id prv_kim is taken"),
        (["coach", "add", "prv_kim", "--brand", "loop", "--name", "K"], "The id prv_kim is taken"),
        (["patient", "add", "pat_ada", "--brand", "loop"], "pat_ada"),
        (["patient", "add", "pat_x", "--brand", "loop", "--subject", "sub-ada"], "the subject"),
        (["provider", "add", "prv_x", "--brand", "nope", "--name", "X"], "There is no brand nope"),
        (["coach", "add", "coach_x", "--brand", "nope", "--name", "X"], "There is no brand nope"),
        (["patient", "add", "pat_x", "--brand", "nope"], "There is no brand nope"),
        (["provider", "list", "--brand", "nope"], "There is no brand nope"),
        (["coach", "list", "--brand", "nope"], "There is no brand nope"),
        (["patient", "list", "--brand", "nope"], "There is no brand nope"),
        (["token", "list", "--brand", "nope"], "There is no brand nope"),
    ],
)  # fmt: skip
def test_what_exists_already_or_not_at_all_is_said_in_a_sentence(
    arguments: list[str], sentence: str, on_clinic: Bookwell
) -> None:
    said = on_clinic(*arguments)

    assert (said.code, said.out) == (2, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("group", "path", "query"),
    [
        ("brand", "brands", {}),
        ("provider", "providers", {"kind": "clinician"}),
        ("coach", "providers", {"kind": "coach"}),
        ("patient", "patients", {}),
        ("token", "tokens", {}),
    ],
)
def test_a_list_as_json_holds_the_objects_of_the_api(
    group: str, path: str, query: dict[str, str], on_clinic: Bookwell, clinic: Clinic, admin: str
) -> None:
    brand = [] if group == "brand" else ["--brand", "loop"]

    rows = on_clinic(group, "list", *brand, "--json").rows

    answer = clinic.call(
        "GET",
        f"/v1/admin/{path}",
        token=admin,
        query={"limit": 500, **query},
        headers={"X-Brand-Id": "loop"} if brand else {},
    )
    assert rows
    assert rows == answer.json()[path]


def test_a_long_list_is_complete_and_in_order(on_clinic: Bookwell, clinic: Clinic) -> None:
    on_clinic("brand", "add", "crowded", "--name", "Crowded")
    number = 2 * PAGE_ROWS + 1
    clinic.world.sql(
        "INSERT INTO booking.patient (brand_id, patient_id)"
        " SELECT 'crowded', 'pat_' || to_char(n, 'FM00000') FROM generate_series(1, %s) AS n",
        number,
    )

    rows = on_clinic("patient", "list", "--brand", "crowded", "--json").rows
    table = on_clinic("patient", "list", "--brand", "crowded").out

    expected = [f"pat_{n:05}" for n in range(1, number + 1)]
    assert [row["id"] for row in rows] == expected
    assert [line.split()[0] for line in table.splitlines()[2:]] == expected


def test_a_table_never_cuts_an_id_and_takes_brackets_as_they_are(
    on_clinic: Bookwell,
) -> None:
    patient_id = "p" * 128
    on_clinic("patient", "add", patient_id, "--brand", "loop", "--subject", "s" * 128)
    on_clinic("provider", "add", "prv_odd", "--brand", "loop", "--name", "[red]Dr. Odd[/red]")

    assert f"{patient_id}   {'s' * 128}" in on_clinic("patient", "list", "--brand", "loop").out
    assert "[red]Dr. Odd[/red]" in on_clinic("provider", "list", "--brand", "loop").out


def test_each_change_has_an_audit_row_of_the_system(on_clinic: Bookwell, clinic: Clinic) -> None:
    on_clinic("patient", "add", "pat_audited", "--brand", "loop")

    ((actor_type, event_type, brand_id),) = clinic.world.sql(
        "SELECT actor_type, event_type, brand_id FROM booking.audit WHERE entity_id = 'pat_audited'"
    )
    assert (actor_type, event_type, brand_id) == ("system", "patient.created", "loop")
