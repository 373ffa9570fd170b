"""Health information goes to its caller and into the database, and nowhere else.

A word that stands nowhere else is put into every text a patient or a clinician may write, through
every operation, well and badly; then it is looked for everywhere it must not be. The service is
`bookwell serve` as a process of its own, and its log is what it really wrote.
"""

import base64
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bookwell.storage.embedded import EmbeddedPostgres
from clinic import Clinic, KeptWorld, Patient
from commands import Running, running
from conftest import clone
from operations import DOCUMENT, OPERATIONS, PREPARE, Call, make
from streams import LeavingStreams
from world import LOOP, World, populate

CANARY = "kanarienvogel"
# Who saw whom is health information too; in the log, and only there, ids of patients are looked for.
WHO = "zaunkoenig"
TEXTS = ("reason", "notes")


@dataclass(frozen=True)
class Traces:
    """What is left when the service has ended: what it answered, logged and kept."""

    answers: list[httpx.Response]
    log: str
    postgres_log: str
    world: World

    @property
    def refusals(self) -> list[httpx.Response]:
        return [answer for answer in self.answers if answer.status_code >= 400]

    def table(self, name: str) -> list[str]:
        rows = self.world.sql(f"SELECT t::text FROM booking.{name} AS t")  # noqa: S608 - our own names
        return [str(row) for (row,) in rows]


@pytest.fixture(scope="module")
def traces(
    server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Traces]:
    folder = tmp_path_factory.mktemp("canaries")
    answers: list[httpx.Response] = []
    with clone(server, template) as url:
        world = KeptWorld(**vars(populate(url)))
        with world.connected():
            service = sing(folder, world, answers)
            log = service.err + service.out
            yield Traces(answers, log, log_of(server).read_text(), world)


def log_of(server: EmbeddedPostgres) -> Path:
    """PostgreSQL's own log, beside the folder of its socket."""
    (socket_folder,) = parse_qs(urlsplit(server.url).query)["host"]
    return Path(socket_folder).parent / "postgres.log"


def sing(folder: Path, world: KeptWorld, answers: list[httpx.Response]) -> Running:
    """Call everything, with canaries, while the service runs; returns what is left of it."""
    limits = {f"BOOKWELL_RATE_{kind}_PER_MINUTE": "0" for kind in ("READS", "WRITES", "ADMIN")}
    arguments = ("serve", "--port", "0", "--database-url", world.database_url)
    with running(folder, *arguments, BOOKWELL_LOG_LEVEL="debug", **limits) as service:
        with httpx.Client(
            base_url=service.address(),
            timeout=30,
            transport=LeavingStreams(),
            event_hooks={"response": [answers.append]},
        ) as http:
            clinic = Clinic(world, http)
            sing_well(clinic)
            sing_badly(clinic)
            sing_until_it_breaks(clinic)
            sing_no_http(http)
        assert service.end() == 0
    for answer in answers:
        answer.read()
    return service


def fields_of(operation_id: str) -> set[str]:
    """The fields of the operation's body."""
    body = OPERATIONS[operation_id].spec.get("requestBody")
    if body is None:
        return set()
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(DOCUMENT["components"]["schemas"][name]["properties"])


def with_texts(operation_id: str, call: Call, text: str) -> Call:
    """The call with this text in each field that takes one."""
    texts = dict.fromkeys(fields_of(operation_id) & set(TEXTS), text)
    body = {**call.body, **texts} if call.body is not None else (texts or None)
    return Call(path=call.path, token=call.token, body=body, query=call.query)


def sing_well(clinic: Clinic) -> None:
    """Every operation: done, replayed, and refused because it was done."""
    for operation_id in OPERATIONS:
        call = with_texts(operation_id, PREPARE[operation_id](clinic), f"{CANARY} {operation_id}")
        for headers in ({"Idempotency_Key": operation_id}, {"Idempotency_Key": operation_id}, {}):
            make(clinic, operation_id, call, **headers)
    patient = clinic.patient()
    who = Patient(f"{WHO}-1", patient.token)
    clinic.world.sql(
        "UPDATE booking.patient SET patient_id = %s WHERE patient_id = %s",
        who.patient_id,
        patient.patient_id,
    )
    visit = clinic.visit(patient_id=who.patient_id, reason=CANARY)
    for token in (who.token, clinic.world.staff, clinic.world.foreign_staff):
        clinic.get(f"/v1/visits/{visit['id']}", token=token)
        clinic.get("/v1/visits", token=token, brand_id=LOOP, patient_id=who.patient_id, limit=1)
    clinic.seat(who)
    held = [clinic.hold(reason=CANARY, notes=CANARY) for _ in range(2)]
    clinic.world.sql(
        "UPDATE booking.visit SET hold_expires_at = booking.now() WHERE visit_id = %s",
        held[0]["id"],
    )
    for visit in held:
        call = Call(path=f"/v1/visits/{visit['id']}/confirm", token=clinic.world.staff)
        make(clinic, "confirm_visit", with_texts("confirm_visit", call, CANARY))


def sing_badly(clinic: Clinic) -> None:
    """Texts that are too long, of a wrong kind, in wrong places, and no JSON at all."""
    bad: list[Any] = [f"{CANARY}{'x' * 20_000}", f"{CANARY}\x00", {CANARY: CANARY}, [CANARY]]
    for operation_id, operation in OPERATIONS.items():
        path = operation.path.replace("{", "").replace("}", "")
        token = clinic.world.platform if operation_id == "add_brand" else clinic.world.admin
        for field in sorted(fields_of(operation_id)):
            call = PREPARE[operation_id](clinic)
            # A visit type is the brand's own word for a kind of visit, and part of the documented
            # event, so a good one may sing there.
            is_type = field == "visit_type" or (operation_id, field) == ("add_visit_type", "id")
            good = [] if is_type else [f"{CANARY} {CANARY}"]
            for value in [*bad, *good]:
                body = {**(call.body or {}), field: value}
                clinic.call(operation.method, call.path, body, token=call.token)
        if fields_of(operation_id):
            for raw in (f'{{"reason": "{CANARY}', f'"{CANARY}"', f"reason={CANARY}", f"{CANARY}"):
                clinic.call(operation.method, path, raw=raw.encode(), token=token)
            clinic.call(operation.method, path, raw=CANARY.encode() + b"\xff", token=token)
        for place in ("limit", "cursor", "from", "to", "booked", "kind", "brand_id"):
            if any(each["name"] == place for each in operation.spec["parameters"]):
                query = {"brand_id": LOOP, place: CANARY}
                clinic.call(operation.method, path, query=query, token=token)
    path = f"/v1/visits/{CANARY}/cancel"
    clinic.post(path, {"reason": CANARY})
    clinic.call("PUT", path, {"reason": CANARY})
    clinic.post(f"/v1/{CANARY}", {"reason": CANARY})
    clinic.get("/v1/visits", token=CANARY, brand_id=CANARY)
    for header in ("Idempotency-Key", "X-Brand-Id", "If-Match", "traceparent", "X-Request-Id"):
        clinic.post(path, {"reason": CANARY}, headers={header: f"{CANARY} {CANARY}"})


# An error that quotes the row, and the database's own, whose detail is the failing row.
TRIGGER = (
    "CREATE TRIGGER sings BEFORE INSERT OR UPDATE ON booking.{table}"
    " FOR EACH ROW EXECUTE FUNCTION booking.sing()"
)
CHECK = (
    "ALTER TABLE booking.{table} ADD CONSTRAINT sings CHECK ({table}::text !~ 'breaks') NOT VALID"
)
BREAKS = {
    TRIGGER: "DROP TRIGGER sings ON booking.{table}",
    CHECK: "ALTER TABLE booking.{table} DROP CONSTRAINT sings",
}


def sing_until_it_breaks(clinic: Clinic) -> None:
    """Errors of the database that quote what somebody wrote: each must become a 500 that does not."""
    clinic.world.sql(
        "CREATE FUNCTION booking.sing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW::text ~ 'breaks' THEN RAISE '% in %', NEW, TG_TABLE_NAME; END IF;"
        " RETURN NEW; END $$"
    )
    for table in ("visit", "office_hour_booking", "idempotency"):
        for broken, mended in BREAKS.items():
            calls = {
                name: with_texts(name, PREPARE[name](clinic), f"{CANARY} breaks")
                for name in (
                    "book_visit",
                    "hold_slot",
                    "confirm_visit",
                    "cancel_visit",
                    "complete_visit",
                    "book_seat",
                )
            }
            clinic.world.sql(broken.format(table=table))
            for operation_id, call in calls.items():
                key = {"Idempotency_Key": clinic.new_id(operation_id)}
                make(clinic, operation_id, call, **(key if table == "idempotency" else {}))
            clinic.world.sql(mended.format(table=table))


def sing_no_http(http: httpx.Client) -> None:
    """Bytes that are no request at all."""
    for said in (f"{CANARY}\r\n\r\n", f"GET /{CANARY} {CANARY}\r\n\r\n"):
        with socket.create_connection((http.base_url.host, http.base_url.port or 0), 5) as line:
            line.sendall(said.encode())
            line.recv(4096)


# ------------------------------------------------------------------------------- it was really sung


def test_the_canary_was_heard_by_the_database_and_by_its_callers(traces: Traces) -> None:
    heard = {
        column: traces.world.sql(
            f"SELECT count(*) FROM booking.{table} WHERE {column} LIKE %s",  # noqa: S608 - our own
            f"%{CANARY}%",
        )[0][0]
        for table, column in (
            ("visit", "reason"),
            ("visit", "notes"),
            ("visit", "cancel_reason"),
            ("office_hour_booking", "notes"),
        )
    }
    successes = [answer for answer in traces.answers if answer.status_code < 300]

    assert 0 not in heard.values(), heard
    assert sum(CANARY in answer.text for answer in successes) >= 10
    assert len(traces.refusals) > 300


def test_every_kind_of_refusal_was_provoked(traces: Traces) -> None:
    statuses = {answer.status_code for answer in traces.refusals}

    assert statuses == {400, 401, 403, 404, 405, 409, 410, 412, 500}


def test_the_log_has_a_line_for_each_answer_and_for_each_mistake(traces: Traces) -> None:
    failures = [answer for answer in traces.refusals if answer.status_code == 500]

    logged = set(re.findall(r'"request_id":"([^"]+)"', traces.log))
    assert {answer.headers["X-Request-Id"] for answer in traces.answers} <= logged
    assert len(failures) >= 16
    assert traces.log.count('"event":"internal_error"') == len(failures)


# ------------------------------------------------------------------------------ and nobody tells it


def test_no_log_line_tells_it_or_who_saw_whom(traces: Traces) -> None:
    told = [
        line for line in traces.log.splitlines() if CANARY in line.lower() or WHO in line.lower()
    ]

    assert told == []


def test_postgres_does_not_log_it_either(traces: Traces) -> None:
    assert "ready to accept connections" in traces.postgres_log
    assert CANARY not in traces.postgres_log


@pytest.mark.parametrize("table", ["event", "audit"])
def test_no_event_and_no_audit_row_tells_it(traces: Traces, table: str) -> None:
    rows = traces.table(table)

    assert len(rows) >= 20
    assert [row for row in rows if CANARY in row] == []


def test_no_refusal_that_is_kept_for_its_key_tells_it(traces: Traces) -> None:
    kept = traces.world.sql("SELECT answer::text FROM booking.idempotency WHERE outcome <> 'done'")

    assert [answer for (answer,) in kept if CANARY in str(answer)] == []


def test_no_refusal_tells_it(traces: Traces) -> None:
    assert [answer.text for answer in traces.refusals if CANARY in answer.text.lower()] == []


def test_no_header_of_an_answer_tells_it(traces: Traces) -> None:
    told = [
        (name, value)
        for answer in traces.answers
        for name, value in answer.headers.items()
        if CANARY in f"{name}: {value}".lower()
    ]

    assert told == []


def test_no_cursor_that_will_stand_in_a_url_tells_it(traces: Traces) -> None:
    cursors = [
        answer.json()["next_cursor"]
        for answer in traces.answers
        if answer.status_code == 200 and '"next_cursor"' in answer.text
    ]
    opened = [base64.urlsafe_b64decode(cursor + "==").decode() for cursor in cursors]

    assert [cursor for cursor in opened if CANARY in cursor or WHO in cursor] == []


def test_no_answer_with_it_may_be_kept_by_a_cache(traces: Traces) -> None:
    singing = [answer for answer in traces.answers if CANARY in answer.text]

    assert {answer.headers.get("Cache-Control") for answer in singing} == {"no-store"}
