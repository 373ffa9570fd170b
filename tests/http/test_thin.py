"""The routes that are answered without Litestar around them are answered as with it.

Two services with the same world, one of which leaves everything to Litestar, hear the same requests
as bytes on a socket. Their answers are compared as bytes too; only what a service makes up itself
(new ids, the time) is blanked.
"""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from bookwell.app import THIN, routes
from bookwell.http.facts import attach, facts_from
from bookwell.http.thin import ThinRoutes
from bookwell.storage.embedded import EmbeddedPostgres
from clinic import KeptWorld, kept_running
from conftest import clone, serving, settings_for
from world import World, populate

BODY_BYTES_MAX = 4_000
LIST = "/v1/visits?brand_id=loop"
SLOTS = "/v1/providers/prv_kim/slots?brand_id=loop"
# Every path of a thin route, with ids that lead nowhere.
PATHS = [
    "/v1/visits",
    "/v1/visits/vis_none",
    "/v1/visits/vis_none/cancel",
    "/v1/visits/vis_none/confirm",
    "/v1/slots/slt_none/hold",
    "/v1/providers/prv_kim/slots",
    "/v1/slots",
]
POSTS = [path for path in PATHS if path.endswith(("visits", "cancel", "confirm", "hold"))]

# What a request of a story may name after an answer has told it.
_TOLD = {
    "visit": re.compile(rb'^{"id":"(vis_\w+)"'),
    "cursor": re.compile(rb'"next_cursor":"([\w-]+)"'),
}
_BLANKED = [
    (rb"date: [^\r]+", b"date: now"),
    (rb"vis_[0-9A-Z]{26}", b"vis_new"),
    (rb'"next_cursor":"[^"]+"', b'"next_cursor":"next"'),
    (rb'_at":"20[0-9T:.-]+Z"', b'_at":"now"'),
]


@dataclass(frozen=True)
class Request:
    """A request; `{slot0}`, `{slot30}`, `{visit}` and `{cursor}` stand for the story's own."""

    line: str
    headers: tuple[str, ...] = ()
    body: str | bytes | None = None
    ending: bytes = b""

    def written(self, names: dict[str, str]) -> bytes:
        """It as bytes; a length and a host are added unless the headers have them."""
        line, headers, body = self.line, "\r\n".join(self.headers), self.body
        for name, value in names.items():
            line, headers = (part.replace(f"{{{name}}}", value) for part in (line, headers))
            if isinstance(body, str):
                body = body.replace(f"{{{name}}}", value)
        content = body.encode() if isinstance(body, str) else body or b""
        lines = [f"{line} HTTP/1.1", "X-Request-Id: the-same", *headers.split("\r\n")]
        if "Host:" not in headers:
            lines.append("Host: clinic.example")
        if body is not None:
            lines.append(f"Content-Length: {len(content)}")
        head = "\r\n".join(line for line in lines if line)
        return f"{head}\r\n\r\n".encode("latin-1") + content + self.ending


class Way:
    """One of the services, its world, and what it answered so far in this story."""

    def __init__(self, base_url: str, world: KeptWorld) -> None:
        self.world = world
        host, _, port = base_url.removeprefix("http://").rpartition(":")
        self._address = (host, int(port))
        self.names: dict[str, str] = {}

    def begin(self, story: int) -> None:
        """Forget the story before; this one has two slots of a day that is its own."""
        self.names = {
            f"slot{minute}": self.world.add_slot(
                self.world.at(minute / 60, days=story), slot_id=f"slt_{story}_{minute}"
            )
            for minute in (0, 30)
        }

    def hear(self, request: Request) -> bytes:
        """The answer, whole, as it came but for what the service made up."""
        with socket.create_connection(self._address, timeout=20) as opened:
            opened.sendall(request.written(self.names))
            answer = _read(opened, is_head=request.line.startswith("HEAD "))
        body = answer.partition(b"\r\n\r\n")[2]
        for name, told in _TOLD.items():
            if (found := told.search(body)) is not None:
                self.names[name] = found[1].decode()
        for pattern, blank in _BLANKED:
            answer = re.sub(pattern, blank, answer)
        return answer


def _read(opened: socket.socket, *, is_head: bool) -> bytes:
    with opened.makefile("rb") as reader:
        head = b""
        while (line := reader.readline()) not in (b"\r\n", b""):
            head += line
        length = re.search(rb"content-length: (\d+)\r\n", head)
        body = reader.read(int(length[1])) if length and not is_head else b""
        return head + b"\r\n" + body


@dataclass
class BothWays:
    """The two services, and how many stories they heard."""

    thin: Way
    litestar: Way
    stories: int = 0

    def answers(self, story: Sequence[Request]) -> list[tuple[bytes, bytes]]:
        """What the one and the other say to each request of the story."""
        self.stories += 1
        self.thin.begin(self.stories)
        self.litestar.begin(self.stories)
        return [(self.thin.hear(request), self.litestar.hear(request)) for request in story]


@pytest.fixture(scope="module")
def ways(server: EmbeddedPostgres, template: str) -> Iterator[BothWays]:
    def way(stack: ExitStack, *, is_thin: bool) -> Way:
        url = stack.enter_context(clone(server, template))
        settings = settings_for(url, body_bytes_max=BODY_BYTES_MAX)
        base_url = stack.enter_context(kept_running(lambda: serving(settings, is_thin=is_thin)))
        world = KeptWorld(**asdict(populate(url)))
        stack.enter_context(world.connected())
        return Way(base_url, world)

    with ExitStack() as stack:
        yield BothWays(way(stack, is_thin=True), way(stack, is_thin=False))


def asked(line: str, *headers: str, body: str | bytes | None = None) -> Request:
    """A request of loop's staff."""
    return Request(line, (f"Authorization: Bearer {World.staff}", *headers), body)


def wanted(**more: Any) -> str:
    """The body that books the story's first slot."""
    body = {
        "brand_id": "loop",
        "patient_id": "pat_ada",
        "slot_id": "{slot0}",
        "visit_type": "first",
    }
    return json.dumps({**body, **more}, ensure_ascii=False)


BOOK = asked("POST /v1/visits", body=wanted())
CANCEL = asked("POST /v1/visits/{visit}/cancel", body='{"reason": "caf\u00e9"}')
HOLD = asked("POST /v1/slots/{slot0}/hold", body='{"patient_id": "pat_ada"}')
CONFIRM = asked("POST /v1/visits/{visit}/confirm")
KEY = "Idempotency-Key: k-{slot0}"

STORIES = {
    "booked, read, cancelled, cancelled again": [
        BOOK,
        asked("GET /v1/visits/{visit}"),
        asked("HEAD /v1/visits/{visit}"),
        CANCEL,
        CANCEL,
    ],
    "a slot that is taken": [BOOK, BOOK],
    "held, confirmed, confirmed again": [HOLD, CONFIRM, CONFIRM],
    "held, confirmed with words": [
        HOLD,
        asked("POST /v1/visits/{visit}/confirm", body='{"visit_type": "v", "notes": "n"}'),
    ],
    "held, then booked by its hold": [
        HOLD,
        asked("POST /v1/visits", body=wanted(hold_id="{visit}")),
    ],
    "held twice": [HOLD, HOLD],
    "cancelled without a body": [BOOK, asked("POST /v1/visits/{visit}/cancel")],
    "cancelled with an empty body": [BOOK, asked("POST /v1/visits/{visit}/cancel", body="")],
    "cancelled with null": [BOOK, asked("POST /v1/visits/{visit}/cancel", body="null")],
    "a key used again, quoted, and for another body": [
        asked("POST /v1/visits", KEY, body=wanted()),
        asked("POST /v1/visits", KEY, body=wanted()),
        asked("POST /v1/visits", 'Idempotency-Key: "k-{slot0}"', body=wanted()),
        asked("POST /v1/visits", KEY, body=wanted(visit_type="other")),
    ],
    "a refusal's key used again": [
        asked("POST /v1/visits", KEY, body=wanted(slot_id="slt_none")),
        asked("POST /v1/visits", KEY, body=wanted(slot_id="slt_none")),
    ],
    "keys that are none": [
        asked("POST /v1/visits", f"Idempotency-Key: {key}", body=wanted())
        for key in ("a b", "", "x" * 129, '"', "\xe9")
    ],
    "a key on a reading": [asked(f"GET {LIST}", "Idempotency-Key: a b")],
    "versions": [
        BOOK,
        asked("POST /v1/visits/{visit}/cancel", 'If-Match: "7"'),
        asked("POST /v1/visits/{visit}/cancel", 'If-Match: W/"1"'),
        asked("POST /v1/visits/{visit}/cancel", 'If-Match: "9", "1"'),
    ],
    "pages": [
        BOOK,
        asked("POST /v1/visits", body=wanted(slot_id="{slot30}")),
        asked(f"GET {LIST}&limit=1"),
        asked(f"GET {LIST}&limit=1&cursor={{cursor}}"),
        asked(f"GET {SLOTS}&limit=1"),
        asked(f"GET {SLOTS}&limit=1&cursor={{cursor}}"),
    ],
    "pages of open times": [
        asked("GET /v1/slots?brand_id=loop&provider_id=prv_kim&limit=1"),
        asked("GET /v1/slots?brand_id=loop&provider_id=prv_kim&limit=1&cursor={cursor}"),
        BOOK,
        asked("GET /v1/slots?brand_id=loop&first_available=true"),
        asked("HEAD /v1/slots?brand_id=loop"),
    ],
    "lists": [asked(f"GET {LIST}"), asked(f"GET {SLOTS}"), asked(f"HEAD {LIST}")],
    "a body in pieces": [
        Request(
            "POST /v1/visits",
            (f"Authorization: Bearer {World.staff}", "Transfer-Encoding: chunked"),
            ending=b'5\r\n{"bra\r\n9\r\nnd_id":1}\r\n0\r\n\r\n',
        ),
        Request(
            "POST /v1/visits",
            (f"Authorization: Bearer {World.staff}", "Transfer-Encoding: chunked"),
            ending=b"%x\r\n%b\r\n0\r\n\r\n" % (BODY_BYTES_MAX + 1, b" " * (BODY_BYTES_MAX + 1)),
        ),
        Request(
            "POST /v1/visits/vis_none/cancel",
            (f"Authorization: Bearer {World.staff}", "Transfer-Encoding: chunked"),
            ending=b"0\r\n\r\n",
        ),
    ],
    "bodies too long": [
        asked("POST /v1/visits", body=wanted(notes="n" * BODY_BYTES_MAX)),
        asked("POST /v1/visits", "Expect: 100-continue", body="{" * (BODY_BYTES_MAX + 1)),
    ],
    "a body's type": [
        asked("POST /v1/visits", f"Content-Type: {kind}", body=wanted(slot_id="slt_none"))
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x")
    ],
    "connections that end": [
        asked(f"GET {LIST}", "Connection: close"),
        asked("POST /v1/visits", "Connection: close", body="{}"),
        asked(f"GET {LIST}", "Connection: Upgrade", "Upgrade: websocket"),
    ],
    "hosts": [
        asked(f"GET {LIST}", f"Host: {host}")
        for host in ("", "a b", "a/b", "[::1]:80", "x_y", "\xe9", "a,b", "user@x", "clinic:80")
    ],
    "traces": [
        asked(f"GET {LIST}", f"traceparent: 00-{'a' * 32}-{'b' * 16}-01"),
        asked(f"GET {LIST}", "traceparent: 00-bad"),
    ],
    "brands that are named": [
        Request(line, (f"Authorization: Bearer {token}", *named))
        for line in (f"GET {LIST}", "GET /v1/visits?brand_id=loopbio", "GET /v1/visits/vis_none")
        for token in (World.platform, World.service, World.patient, World.foreign_staff)
        for named in ((), ("X-Brand-Id: loop",), ("X-Brand-Id: loopbio",), ("X-Brand-Id: \xa0",))
    ],
}

BODIES: list[str | bytes] = [
    "", " ", "null", "[]", '"x"', "{}", "{", '{"a":1}x', "[" * 2000, b"\xff", b"\xef\xbb\xbf{}",
    wanted(reason=None), wanted(reason="a\u0000b"), wanted(reason="r" * 2001), wanted(patient_id=1),
    wanted(slot_id=""), wanted(slot_id="slt_none"), wanted(slot_id="x" * 129), wanted(hold_id="vis_none"),
    wanted(brand_id="loopbio"), wanted(provider_id="prv_sam"), wanted(patient_id="pat_eve"),
    wanted(visit_type="a\nb"), wanted(unknown={"x": [1]}), wanted(reason="\U0001f9a5"), b'{"reason": "\xed\xa0\x80"}',
    '{"reason": 1}', '{"reason": null}', '{"patient_id": "pat_ada", "brand_id": 3}', '{"brand_id": "loop"}',
]  # fmt: skip

QUERIES = [
    "", "?", "?brand_id", "?brand_id=", "?brand_id=loop&brand_id=loopbio", "?brand_id=loopbio",
    "?brand_id=%00", "?brand_id=%FF", "?brand_id=lo%6Fp", "?brand_id=loop;limit=1", "?Brand_Id=loop",
    "?brand_id=loop&limit=0", "?brand_id=loop&limit=1001", "?brand_id=loop&limit=x", "?brand_id=loop&limit=",
    "?brand_id=loop&limit=1.0", "?brand_id=loop&limit=1_0", "?brand_id=loop&limit=%201", "?brand_id=loop&limit=-1",
    "?brand_id=loop&limit=1&limit=2", "?brand_id=loop&limit=99999999999999999999", "?brand_id=loop&limit=x&cursor=",
    "?brand_id=loop&cursor=", "?brand_id=loop&cursor=x", "?brand_id=loop&cursor=" + "x" * 1025,
    "?brand_id=loop&patient_id=", "?brand_id=loop&patient_id=pat_ada", "?brand_id=loop&patient_id=pat_eve",
    "?brand_id=loop&patient_id=a%20b", "?brand_id=loop&patient_id=a%E2%80%8Bb", "?limit=0", "?limit=x&brand_id=",
    "?brand_id=loop&from=2027-01-01", "?brand_id=loop&from=1", "?brand_id=loop&from=2027-01-01T00:00:00",
    "?brand_id=loop&from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z", "?brand_id=loop&to=9999-01-01T00:00:00Z",
    "?brand_id=loop&from=2027-01-01T00:00:00%2B01:00", "?brand_id=loop&booked=true", "?brand_id=loop&booked=0",
    "?brand_id=loop&booked=maybe", "?brand_id=loop&booked=", "?brand_id=loop&booked=True&limit=0", "?brand_id=loop#x",
]  # fmt: skip

SEARCHES = [
    "?brand_id=loop&provider_id=prv_kim&provider_id=prv_both", "?brand_id=loop&provider_id=prv_none",
    "?brand_id=loop&provider_id=", "?brand_id=loop&provider_id=a%20b&provider_id=prv_kim",
    "?brand_id=loop&provider_id=prv_kim,prv_both", "?brand_id=loop&provider_id[]=prv_kim",
    "?brand_id=loop&weekday=monday&weekday=tuesday", "?brand_id=loop&weekday=funday", "?brand_id=loop&weekday=",
    "?brand_id=loop&part_of_day=night&part_of_day=noon", "?brand_id=loop&part_of_day=night&weekday=sunday",
    "?brand_id=loop&first_available=true", "?brand_id=loop&first_available=1", "?brand_id=loop&first_available=",
    "?brand_id=loop&first_available=maybe", "?brand_id=loop&first_available=true&first_available=false",
    "?brand_id=loop&time_zone=Europe/Berlin", "?brand_id=loop&time_zone=Mars", "?brand_id=loop&time_zone=%00",
    "?brand_id=loop&visit_type=first", "?brand_id=loop&visit_type=%0A", "?brand_id=loop&visit_type=",
    "?brand_id=loop&reschedule_of=vis_none", "?brand_id=loop&reschedule_of=%20",
    "?brand_id=loop&from=2027-01-01T00:00:00Z&to=2029-01-01T00:00:00Z",
    "?brand_id=loop&" + "&".join(f"provider_id=p{number}" for number in range(501)),
]  # fmt: skip

STRANGE_PATHS = [
    "/v1/visits/", "//v1/visits", "/v1//visits", "/v1/visits//cancel", "/v1/visits/vis_none/", "/V1/visits",
    "/v1/visits/%2F", "/v1/visits/a%2Fb", "/v1/visits/a%2fb/cancel", "/v1/visits/%00", "/v1/visits/%FF",
    "/v1/visits/a%20b", "/v1/visits/%1F", "/v1/visits/%C3%A9", "/v1/visits/" + "x" * 129, "/v1/visits/..",
    "/v1/visits/.", "/v1/visits/;", "/v1/visits/vis_none/cancel/more", "/v1/visits/cancel", "/v1/%76isits",
    "/v1/slots//hold", "/v1/slots/hold", "/v1/providers/slots", "/v1/providers/prv_none/slots?brand_id=loop",
    "/v1/providers/prv_both/slots?brand_id=loop", "/v1", "/", "/v1/visits/{visit}", "/v1/visits/%25",
    "http://elsewhere/v1/visits?brand_id=loop", "/openapi.json/", "/docs-that-are-none",
]  # fmt: skip

AUTHORIZATIONS = [
    (), ("Authorization:",), ("Authorization: Bearer",), ("Authorization: Bearer  ",),
    ("Authorization: Basic abc",), ("Authorization: Bearer none",), ("authorization: bearer none",),
    ("Authorization: Bearer a b",), (f"Authorization: Bearer {'x' * 4097}",), ("Authorization: Bearer \xe9",),
    (f"Authorization: Bearer {World.expired}",), (f"Authorization: Bearer {World.unscoped}",),
    (f"Authorization: Bearer {World.staff}", f"Authorization: Bearer {World.staff}"),
    (f"AUTHORIZATION: BEARER   {World.patient}  ",), (f"Authorization: Bearer {World.foreign_patient}",),
    (f"Authorization: Bearer {World.admin}",),
]  # fmt: skip

STORIES |= {
    **{
        f"bodies for {path}": [asked(f"POST {path}", body=body) for body in BODIES]
        for path in POSTS
    },
    "queries for visits": [asked(f"GET /v1/visits{query}") for query in QUERIES],
    "queries for slots": [asked(f"GET /v1/providers/prv_kim/slots{query}") for query in QUERIES],
    "queries for open times": [asked(f"GET /v1/slots{query}") for query in (*QUERIES, *SEARCHES)],
    "strange paths": [
        asked(f"{method} {path}", body=body)
        for path in STRANGE_PATHS
        for method, body in (("GET", None), ("POST", "{}"), ("HEAD", None))
    ],
    "methods": [
        asked(f"{method} {path}", body="{}" if method == "PUT" else None)
        for path in PATHS
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
    ],
    "callers": [
        Request(f"{method} {path}", headers, "{}" if method == "POST" else None)
        for path in PATHS
        for method in ("GET", "POST", "HEAD")
        for headers in AUTHORIZATIONS
    ],
}


@pytest.mark.parametrize("title", STORIES)
def test_an_answer_does_not_tell_which_way_its_request_took(ways: BothWays, title: str) -> None:
    story = STORIES[title]

    answers = ways.answers(story)

    for request, (thin, litestar) in zip(story, answers, strict=True):
        assert thin == litestar, request
        assert thin.startswith(b"HTTP/1.1 "), request


def test_the_stories_hear_every_answer_a_thin_route_gives_by_itself(ways: BothWays) -> None:
    heard = {thin[9:12] for story in STORIES.values() for thin, _ in ways.answers(story)}

    assert {b"200", b"201", b"400", b"401", b"403", b"404", b"405", b"409", b"412", b"413"} <= heard


async def _nobody_reads() -> Any:
    return {"type": "http.disconnect"}


@pytest.mark.parametrize("handler", THIN, ids=lambda handler: handler.operation_id)
async def test_a_thin_route_does_not_go_through_litestar(handler: HTTPRouteHandler) -> None:
    (path,) = handler.paths
    (method,) = handler.http_methods
    scope: Any = {
        "type": "http", "method": method, "path": path.replace("{id:str}", "x"), "headers": [],
        "root_path": "", "query_string": b"",
    }  # fmt: skip
    attach(scope, facts_from([]))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ThinRoutes(routes(), THIN)(scope, _nobody_reads, send)

    assert scope["route_handler"].operation_id == handler.operation_id
    # Litestar writes itself into every request that it sees.
    assert "app" not in scope
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
