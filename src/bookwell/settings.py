"""The service's settings: one frozen record, read once from the environment.

`FIELDS` describes each for `docs/reference/configuration.md`; a test compares the two.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bookwell.domain.envelopes import Format
from bookwell.domain.errors import InvalidInput
from bookwell.domain.holds import PATIENT_HOLDS_MAX

PORT_MAX = 65_535
# Whoever needs more than a day to confirm has booked.
HOLD_MINUTES_MAX = 24 * 60
# Two years of a provider's half hours are some 16,000 slots.
HORIZON_DAYS_MAX = 731
# Webhooks are tried for three days.
EVENTS_KEPT_DAYS_MIN = 4
EVENTS_KEPT_DAYS_MAX = 3_660
# A receiver that needs longer keeps its place, and gets the event again.
WEBHOOK_TIMEOUT_SECONDS_MAX = 60
DATABASE_SCHEMES = ("postgresql://", "postgres://")
# Visible ASCII, as a header or a calendar may hold it.
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")
NATS_SCHEMES = ("nats", "tls")
# What NATS takes in the name of a stream, or as one word of a subject, everywhere.
NATS_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FORMATS = tuple(str(each) for each in Format)
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "text")


def _setting(
    default: Any,  # noqa: ANN401 - as dataclasses.field does
    text: str,
    *,
    at_least: float = 0,
    at_most: float | None = None,
    one_of: Collection[str] | None = None,
) -> Any:  # noqa: ANN401 - the same
    bounds = {"at_least": at_least, "at_most": at_most, "one_of": one_of}
    return field(default=default, metadata={"text": text, **bounds})


_DATA_DIR = Path(".bookwell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is read from `BOOKWELL_<NAME>`."""

    database_url: str | None = _setting(
        None, "PostgreSQL 15 or newer. Without it, the embedded PostgreSQL in the data directory."
    )
    data_dir: Path = _setting(  # noqa: RUF009 - a Path never changes
        _DATA_DIR, "Where the embedded PostgreSQL keeps its data, and the demo its tokens."
    )
    host: str = _setting("127.0.0.1", "The address to listen on.")
    port: int = _setting(8000, "The port to listen on; 0 is any free one.", at_most=PORT_MAX)
    workers: int = _setting(1, "Worker processes that share the port and the database.", at_least=1)
    couriers: int = _setting(
        1,
        "Courier processes beside the workers, which send webhooks, publish, remind, and make "
        "slots out of schedules.",
        at_least=1,
    )
    pool_size: int = _setting(
        16, "Connections to PostgreSQL of each worker and courier.", at_least=1
    )
    requests_max: int = _setting(
        1000,
        "Requests a worker has in hand at once; one more is answered 503 `overloaded`.",
        at_least=1,
    )
    streams_max: int = _setting(
        2000,
        "Streams a worker has open at once, which are no requests in hand; one more is answered "
        "503 `overloaded`.",
        at_least=1,
    )
    hold_minutes: float = _setting(
        5.0,
        "How long a slot is held for a patient who has not confirmed yet.",
        at_least=0.05,
        at_most=HOLD_MINUTES_MAX,
    )
    holds_max: int = _setting(
        5,
        "Slots that one patient may hold at once in a brand.",
        at_least=1,
        at_most=PATIENT_HOLDS_MAX,
    )
    disruption_hold_minutes: float = _setting(
        60.0,
        "How long the disruption desk holds a slot that was chosen for an affected visit.",
        at_least=0.05,
        at_most=HOLD_MINUTES_MAX,
    )
    horizon_days: int = _setting(
        90,
        "How many days ahead slots are made out of schedules.",
        at_least=1,
        at_most=HORIZON_DAYS_MAX,
    )
    public_url: str | None = _setting(
        None,
        "Where the outside finds this service, such as `https://booking.example.org`: addresses of "
        "calendars begin with it. Without it, with the host of the request that asks for one.",
    )
    join_url: str | None = _setting(
        None,
        "Where a visit's call is joined, with `{visit_id}` in it; calendars link to it. Without "
        "it, to nothing.",
    )
    events_kept_days: int = _setting(
        90,
        "How many days events are kept in the log, and what became of their deliveries and of "
        "reminders.",
        at_least=EVENTS_KEPT_DAYS_MIN,
        at_most=EVENTS_KEPT_DAYS_MAX,
    )
    body_bytes_max: int = _setting(
        262_144,
        "The longest request body in bytes, but for slots in bulk (1 MiB); a longer one is "
        "answered 413.",
    )
    drain_seconds: int = _setting(
        30, "How long a stopping worker waits for requests in hand before it gives up on them."
    )
    introspection_url: str | None = _setting(
        None,
        "The identity service's RFC 7662 endpoint. Without it, tokens issued by "
        "`bookwell token create` are the only ones.",
    )
    introspection_client_id: str | None = _setting(
        None, "This service's client id at the identity service."
    )
    introspection_client_secret: str | None = _setting(None, "And its secret.")
    introspection_staff_scope: str | None = _setting(
        None,
        "A scope that makes a user of the identity service staff. Without it, every user whose "
        "`sub` is no patient's is staff of their brand; with it, only those who carry it.",
    )
    introspection_timeout_seconds: float = _setting(
        2.0, "How long an introspection may take; then nobody is admitted (503)."
    )
    introspection_cache_seconds: float = _setting(
        5.0, "How long an introspection is believed; 5 at most, and never past the token's `exp`."
    )
    comms_url: str | None = _setting(
        None,
        "The platform's message service, to which due reminders go as `POST /v1/messages/send`. "
        "Without it, they are events only.",
    )
    comms_token: str | None = _setting(None, "The bearer token for it.")
    comms_timeout_seconds: float = _setting(
        10.0, "How long one try to hand it a message may take.", at_least=0.1
    )
    rate_reads_per_minute: int = _setting(1000, "Reads of one caller in a minute; 0 is no limit.")
    rate_writes_per_minute: int = _setting(200, "Writes of one caller in a minute; 0 is no limit.")
    rate_admin_per_minute: int = _setting(
        100, "Calls of `/v1/admin` of one caller in a minute; 0 is no limit."
    )
    webhook_timeout_seconds: float = _setting(
        10.0,
        "How long a webhook's receiver has to answer, from looking up its name to its status.",
        at_least=0.1,
        at_most=WEBHOOK_TIMEOUT_SECONDS_MAX,
    )
    webhook_allow_loopback: int = _setting(
        0,
        "1 lets webhooks go to this machine itself, by http or https: for development and tests.",
        at_most=1,
    )
    nats_url: str | None = _setting(
        None,
        "NATS servers with JetStream where every event is published: `nats://` or `tls://`, "
        "several with commas. Without it, nothing is published.",
    )
    nats_credentials: Path | None = _setting(  # noqa: RUF009 - a Path never changes
        None, "The file by which the NATS servers know this service, as `nsc` writes it."
    )
    nats_stream: str = _setting(
        "BOOKWELL", "The stream that takes the events. It is made where it is absent."
    )
    nats_subject_prefix: str | None = _setting(
        None, "A word before the event's type in its subject, such as `live`."
    )
    nats_format: str = _setting(
        "standard", "How an event is written there: `standard` or `cloudevents`.", one_of=FORMATS
    )
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.", one_of=LOG_LEVELS)
    log_format: str = _setting(
        "auto",
        "`json`, `text`, or `auto`: text on a terminal, else JSON.",
        one_of=LOG_FORMATS,
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check(variable_of(setting.name), getattr(self, setting.name), setting.metadata)
        if self.database_url and not self.database_url.startswith(DATABASE_SCHEMES):
            name = variable_of("database_url")
            raise InvalidInput(f"{name} must begin with {DATABASE_SCHEMES[0]}.", field=name)
        _check_nats(self)
        for web_address in ("public_url", "join_url"):
            _check_web_address(variable_of(web_address), getattr(self, web_address))
        if self.join_url and "{visit_id}" not in self.join_url:
            name = variable_of("join_url")
            raise InvalidInput(f"{name} must have {{visit_id}} in it.", field=name)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read `BOOKWELL_*`.

        Raises:
            InvalidInput: A value is not of the setting's type, or out of its bounds.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for setting in fields(cls):
            name = variable_of(setting.name)
            if environment.get(name, "") != "":
                values[setting.name] = _parse(name, environment[name], setting.type)
        return cls(**values)

    def to_environment(self) -> dict[str, str]:
        """The variables that `from_environment` reads these settings from, in another process."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        return {
            variable_of(name): "" if value is None else str(value) for name, value in values.items()
        }


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    return f"BOOKWELL_{setting.upper()}"


def _parse(name: str, text: str, kind: object) -> object:
    try:
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
    except ValueError as error:
        raise InvalidInput(f"{name} must be a number.", field=name) from error
    return Path(text) if kind in (Path, Path | None) else text


def _check_web_address(name: str, value: str | None) -> None:
    if value and not _WEB_ADDRESS.fullmatch(value):
        raise InvalidInput(f"{name} must be an address such as https://example.org.", field=name)


def _check_nats(settings: Settings) -> None:
    # What was written is never said again: a password may be in it.
    name = variable_of("nats_url")
    if not all(_is_nats_server(url) for url in (settings.nats_url or "nats://one").split(",")):
        raise InvalidInput(
            f"{name} must be nats://host:port or tls://host:port, several with commas.", field=name
        )
    for setting, value in (
        ("nats_stream", settings.nats_stream),
        ("nats_subject_prefix", settings.nats_subject_prefix or "none"),
    ):
        if not NATS_NAME.fullmatch(value):
            name = variable_of(setting)
            raise InvalidInput(f"{name} must be 1 to 64 letters, digits, _ or -.", field=name)


def _is_nats_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_whole = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return (
        parts.scheme in NATS_SCHEMES and bool(parts.hostname) and is_whole and is_bare and is_plain
    )


def _check(name: str, value: object, bounds: Mapping[str, Any]) -> None:
    if isinstance(value, int | float):
        # Written so that what is not a number at all ("nan") is refused too.
        if not value >= bounds["at_least"]:
            raise InvalidInput(f"{name} must be {bounds['at_least']} or more.", field=name)
        if bounds["at_most"] is not None and value > bounds["at_most"]:
            raise InvalidInput(f"{name} must be {bounds['at_most']} or less.", field=name)
    if bounds["one_of"] is not None and value not in bounds["one_of"]:
        raise InvalidInput(f"{name} must be one of {', '.join(bounds['one_of'])}.", field=name)
