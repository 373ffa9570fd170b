"""To NATS over TLS: who vouches for the server, for which name, and that nothing is said without.

The certificates are made for each run by the `openssl` command. What the system trusts is turned by
SSL_CERT_FILE, which is what an operator with a CA of their own sets.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bookwell.gateways.bus import BusUnavailable
from bookwell.usecases.bus import Publisher
from certificates import Authority, Certified
from conftest import settings_for
from nats_servers import NatsServer, nats_running
from waiting import until
from world import World
from written_events import bookmark_of, write_visits

NewPublisher = Callable[..., Publisher]
PASSWORD = "pw-5d1e77"
WORKER = Path(__file__).parents[1] / "publishing_worker.py"
PATIENCE_SECONDS = 40.0
GREETING = b'INFO {"server_id":"NONE","version":"2.15.0","max_payload":1048576,"headers":true}\r\n'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certified(authority: Authority) -> Certified:
    """For the address of this machine, and not for its name."""
    return authority.vouch_for("IP:127.0.0.1")


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system knows the CA, as it does where SSL_CERT_FILE names it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))


def tls_options(certified: Certified) -> list[str]:
    return ["--tls", "--tlscert", str(certified.certificate), "--tlskey", str(certified.key)]


@pytest.fixture
def nats_server(tmp_path: Path, certified: Certified) -> Iterator[NatsServer]:
    """A server that asks for TLS, and for a name and a password."""
    options = [*tls_options(certified), "--user", "bookwell", "--pass", PASSWORD]
    with nats_running(tmp_path, options=options) as server:
        yield server


def named(server: NatsServer, *, scheme: str = "tls", host: str = "127.0.0.1") -> list[str]:
    return [f"{scheme}://bookwell:{PASSWORD}@{host}:{server.port}"]


@pytest.mark.parametrize("scheme", ["tls", "nats"])
@pytest.mark.usefixtures("trusted")
async def test_events_go_over_tls_to_a_server_of_a_known_authority(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher, scheme: str
) -> None:
    """Also where the address does not ask for it and the server does."""
    write_visits(world, visits=3)

    await new_publisher(servers=named(nats_server, scheme=scheme)).publish_waiting()

    assert bookmark_of(world) == 3


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password_is_told_as_such_over_tls_too(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    wrong = [f"tls://bookwell:wrong@127.0.0.1:{nats_server.port}"]

    await refused(world, new_publisher(servers=wrong), "AuthorizationError")


async def test_a_server_of_an_unknown_authority_gets_nothing(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(servers=named(nats_server))

    await refused(world, publisher, "SSLCertVerificationError")


async def test_an_authority_of_the_same_name_is_another(
    world: World,
    nats_server: NatsServer,
    new_publisher: NewPublisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).certificate))

    await refused(world, new_publisher(servers=named(nats_server)), "SSLCertVerificationError")


@pytest.mark.usefixtures("trusted")
async def test_a_server_whose_certificate_has_another_name_gets_nothing(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(servers=named(nats_server, host="localhost"))

    await refused(world, publisher, "SSLCertVerificationError")


@pytest.mark.usefixtures("trusted")
async def test_a_server_whose_certificate_is_over_gets_nothing(
    world: World, authority: Authority, tmp_path: Path, new_publisher: NewPublisher
) -> None:
    over = tls_options(authority.vouch_for("IP:127.0.0.1", days=-1))

    with nats_running(tmp_path, options=over) as server:
        await refused(world, new_publisher(servers=named(server)), "SSLCertVerificationError")


@pytest.mark.usefixtures("trusted")
async def test_a_server_that_leaves_tls_to_its_clients_is_spoken_to_over_tls(
    world: World, certified: Certified, tmp_path: Path, new_publisher: NewPublisher
) -> None:
    """Seen by a server whose certificate is for another name: without TLS nobody would look."""
    config = tmp_path / "nats.conf"
    config.write_text(
        f'tls {{ cert_file: "{certified.certificate}", key_file: "{certified.key}" }}\n'
        "allow_non_tls: true\n"
    )
    write_visits(world, visits=1)

    with nats_running(tmp_path, options=["-c", str(config)]) as server:
        await refused(
            world,
            new_publisher(servers=[f"tls://localhost:{server.port}"]),
            "SSLCertVerificationError",
        )
        await new_publisher(servers=[f"tls://127.0.0.1:{server.port}"]).publish_waiting()

    assert bookmark_of(world) == 2


@pytest.mark.usefixtures("trusted")
async def test_nothing_is_told_to_a_server_that_has_no_tls_where_the_address_asks_for_it(
    world: World, new_publisher: NewPublisher
) -> None:
    """Or to somebody in between, who takes the server's wish for TLS out of its greeting."""
    async with listening(GREETING) as (port, heard):
        publisher = new_publisher(servers=[f"tls://bookwell:{PASSWORD}@127.0.0.1:{port}"])

        await refused(world, publisher, "SSLError")

    # A handshake of TLS, and not a word of the protocol.
    assert heard[:1] == b"\x16"
    assert b"CONNECT" not in heard
    assert PASSWORD.encode() not in heard


@pytest.mark.usefixtures("trusted")
async def test_a_worker_publishes_over_tls_by_its_settings_and_the_environment_alone(
    world: World, nats_server: NatsServer
) -> None:
    write_visits(world, visits=2)
    settings = settings_for(world.database_url, nats_url=named(nats_server)[0])

    worker = subprocess.Popen(
        [sys.executable, str(WORKER)], env={**os.environ, **settings.to_environment()}
    )
    try:
        # It moves when JetStream has said that it has the event.
        await until(lambda: bookmark_of(world) == 2, seconds=PATIENCE_SECONDS)
    finally:
        worker.kill()
        worker.wait()


async def refused(world: World, publisher: Publisher, cause: str) -> None:
    """What waits is not published, for this cause."""
    write_visits(world, visits=1)
    published = bookmark_of(world)

    with pytest.raises(BusUnavailable, match=cause) as refusal:
        await publisher.publish_waiting()

    assert PASSWORD not in refusal.value.cause
    assert bookmark_of(world) == published


async def test_a_real_server_without_tls_is_refused_where_the_address_asks_for_it(
    world: World, tmp_path: Path, new_publisher: NewPublisher
) -> None:
    with nats_running(tmp_path, options=["--user", "bookwell", "--pass", PASSWORD]) as server:
        await refused(world, new_publisher(servers=named(server)), "SSLError|ConnectionResetError")


async def test_an_authority_that_becomes_known_takes_no_restart(
    world: World,
    nats_server: NatsServer,
    new_publisher: NewPublisher,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = tmp_path / "authorities.pem"
    known.write_bytes(Authority(tmp_path).certificate.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(known))
    one = new_publisher(servers=named(nats_server))
    await refused(world, one, "SSLCertVerificationError")

    with known.open("ab") as file:
        file.write(authority.certificate.read_bytes())
    await one.publish_waiting()

    assert bookmark_of(world) == 1


@pytest.mark.usefixtures("trusted")
async def test_a_server_that_falls_silent_over_tls_holds_nobody_up_and_gets_the_rest_later(
    world: World, nats_server: NatsServer, new_publisher: NewPublisher
) -> None:
    one = new_publisher(servers=named(nats_server), ack_seconds=0.5)
    await one.publish_waiting()
    nats_server.hold_still()

    await refused(world, one, "no_ack_in_time|connection_lost")
    await refused(world, one, "TimeoutError|NoServersError")
    nats_server.go_on()
    await one.publish_waiting()

    assert bookmark_of(world) == 2


@asynccontextmanager
async def listening(greeting: bytes) -> AsyncIterator[tuple[int, bytearray]]:
    """Somebody who greets, understands nothing more, and keeps what they are told."""
    heard = bytearray()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while said := await reader.read(65_536):
            heard.extend(said)
            writer.write(b"-ERR 'Unknown Protocol Operation'\r\n")
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
