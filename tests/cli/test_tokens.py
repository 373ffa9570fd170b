"""`bookwell token`, beside a running service."""

from datetime import timedelta

import pytest

from bookwell.usecases.tokens import DEFAULT_SCOPES
from clinic import Clinic
from commands import Bookwell, Said


@pytest.fixture
def on_clinic(bookwell: Bookwell, clinic: Clinic) -> Bookwell:
    """Commands on the database of the running service."""

    def run(*arguments: str) -> Said:
        return bookwell(*arguments, "--database-url", clinic.world.database_url)

    return run


def create(on_clinic: Bookwell, *arguments: str) -> str:
    said = on_clinic("token", "create", *arguments)
    assert (said.code, said.err) == (0, "")
    return said.out.removesuffix("\n")


def status_of_visits(clinic: Clinic, token: str) -> int:
    return clinic.get("/v1/visits", token=token, brand_id="loop").status_code


def test_a_token_is_printed_alone_and_works(on_clinic: Bookwell, clinic: Clinic) -> None:
    said = on_clinic("token", "create", "--brand", "loop", "--role", "patient", "--subject", "sub-ada")  # fmt: skip

    token = said.out.strip()
    assert said == Said(0, f"{token}\n", "")
    assert token.startswith("lph_at_")
    assert clinic.visit(patient_id="pat_ada")["id"] in {
        visit["id"]
        for visit in clinic.get("/v1/visits", token=token, brand_id="loop").json()["visits"]
    }


def test_a_token_without_named_scopes_has_the_usual_ones_of_its_role(
    on_clinic: Bookwell, clinic: Clinic
) -> None:
    for role, scopes in DEFAULT_SCOPES.items():
        create(on_clinic, "--brand", "loop", "--role", str(role), "--subject", f"usual-{role}")

        assert clinic.world.sql(
            "SELECT scopes FROM booking.token WHERE subject = %s", f"usual-{role}"
        ) == [(list(scopes),)]


def test_a_token_does_what_its_scopes_say_and_nothing_else(
    on_clinic: Bookwell, clinic: Clinic
) -> None:
    token = create(
        on_clinic, "--brand", "loop", "--role", "staff", "--subject", "s",
        "--scope", "read:slots", "--scope", "read:bookings",
    )  # fmt: skip

    assert clinic.get("/v1/providers/prv_kim/slots", token=token, brand_id="loop").is_success
    assert status_of_visits(clinic, token) == 403


def test_a_service_of_every_brand_acts_for_each(on_clinic: Bookwell, clinic: Clinic) -> None:
    token = create(
        on_clinic, "--brand", "*", "--role", "service", "--subject", "platform",
        "--scope", "admin:booking",
    )  # fmt: skip

    for brand_id in ("loop", "loopbio"):
        answer = clinic.call(
            "GET", "/v1/admin/patients", token=token, headers={"X-Brand-Id": brand_id}
        )
        assert {patient["brand_id"] for patient in answer.json()["patients"]} == {brand_id}


def test_a_token_ends_when_it_was_said_to(on_clinic: Bookwell, clinic: Clinic) -> None:
    token = create(
        on_clinic, "--brand", "loop", "--role", "staff", "--subject", "brief", "--expires-in", "60"
    )

    assert status_of_visits(clinic, token) == 200
    assert clinic.world.sql(
        "SELECT expires_at - created_at FROM booking.token WHERE subject = 'brief'"
    ) == [(timedelta(seconds=60),)]


@pytest.mark.parametrize("named_by", ["itself", "its id"])
def test_a_revoked_token_ends_at_once(named_by: str, on_clinic: Bookwell, clinic: Clinic) -> None:
    subject = f"revoked-by-{named_by}".replace(" ", "-")
    token = create(on_clinic, "--brand", "loop", "--role", "staff", "--subject", subject)
    rows = on_clinic("token", "list", "--brand", "loop", "--json").rows
    (token_id,) = (row["id"] for row in rows if row["subject"] == subject)
    assert status_of_visits(clinic, token) == 200

    said = on_clinic("token", "revoke", token if named_by == "itself" else token_id)

    assert said == Said(0, f"Revoked {token_id}.\n", "")
    assert status_of_visits(clinic, token) == 401
    assert on_clinic("token", "revoke", token_id).code == 2


def test_the_list_shows_every_token_of_the_brand_and_no_token_itself(
    on_clinic: Bookwell, clinic: Clinic
) -> None:
    token = create(on_clinic, "--brand", "loopbio", "--role", "staff", "--subject", "listed")

    table = on_clinic("token", "list", "--brand", "loopbio").out
    rows = on_clinic("token", "list", "--brand", "loopbio", "--json").rows

    in_database = clinic.world.sql("SELECT token_id FROM booking.token WHERE brand_id = 'loopbio'")
    assert {row["id"] for row in rows} == {token_id for (token_id,) in in_database}
    assert all(row["id"] in table for row in rows)
    assert token not in table
    assert token not in str(rows)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--brand", "nope", "--role", "staff"], "There is no brand nope; see `bookwell brand list`."),
        (["--brand", "*", "--role", "staff"], "Only a service acts for every brand."),
        (["--brand", "loop", "--role", "patient", "--scope", "admin:booking"], "admin:booking is never a patient's."),
    ],
)  # fmt: skip
def test_a_token_that_must_not_be_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, on_clinic: Bookwell
) -> None:
    said = on_clinic("token", "create", "--subject", "s", *arguments)

    assert said == Said(2, "", f"bookwell: {sentence}\n")


def test_the_audit_names_the_account_at_the_command_line(
    on_clinic: Bookwell, clinic: Clinic
) -> None:
    create(on_clinic, "--brand", "loop", "--role", "staff", "--subject", "audited")

    ((actor_type, actor_id, actor_brand_id, brand_id),) = clinic.world.sql(
        "SELECT actor_type, actor_id, actor_brand_id, a.brand_id FROM booking.audit AS a"
        " JOIN booking.token ON token_id = entity_id WHERE subject = 'audited'"
    )
    assert (actor_type, actor_brand_id, brand_id) == ("system", None, "loop")
    assert str(actor_id).startswith("cli:")
