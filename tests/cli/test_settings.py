"""The settings: read from the environment, handed on to workers, changed by options."""

from dataclasses import fields
from pathlib import Path

import pytest

from bookwell.cli.options import settings_from
from bookwell.domain.errors import InvalidInput
from bookwell.settings import Settings, variable_of

CHANGED = Settings(
    database_url="postgresql://db/bookwell",
    data_dir=Path("/var/lib/book well"),
    port=0,
    workers=3,
    introspection_url="http://identity/introspect",
    introspection_timeout_seconds=0.5,
    rate_reads_per_minute=0,
    log_format="json",
)


@pytest.mark.parametrize("settings", [Settings(), CHANGED], ids=["defaults", "changed"])
def test_a_worker_reads_from_its_environment_what_the_supervisor_decided(
    settings: Settings,
) -> None:
    assert Settings.from_environment(settings.to_environment()) == settings


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    nothing = {variable_of(setting.name): "" for setting in fields(Settings)}

    assert Settings.from_environment(nothing) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BOOKWELL_PORT", "eighty", "BOOKWELL_PORT must be a number."),
        ("BOOKWELL_PORT", "65536", "BOOKWELL_PORT must be 65535 or less."),
        ("BOOKWELL_POOL_SIZE", "0", "BOOKWELL_POOL_SIZE must be 1 or more."),
        ("BOOKWELL_HOLD_MINUTES", "inf", "BOOKWELL_HOLD_MINUTES must be 1440 or less."),
        ("BOOKWELL_HOLD_MINUTES", "nan", "BOOKWELL_HOLD_MINUTES must be 0.05 or more."),
        ("BOOKWELL_HOLDS_MAX", "0", "BOOKWELL_HOLDS_MAX must be 1 or more."),
        ("BOOKWELL_DRAIN_SECONDS", "-1", "BOOKWELL_DRAIN_SECONDS must be 0 or more."),
        ("BOOKWELL_LOG_LEVEL", "loud", "BOOKWELL_LOG_LEVEL must be one of debug, info, warning, error."),
        ("BOOKWELL_NATS_STREAM", "a.b", "BOOKWELL_NATS_STREAM must be 1 to 64 letters, digits, _ or -."),
        ("BOOKWELL_NATS_SUBJECT_PREFIX", ">", "BOOKWELL_NATS_SUBJECT_PREFIX must be 1 to 64 letters, digits, _ or -."),
        ("BOOKWELL_NATS_FORMAT", "xml", "BOOKWELL_NATS_FORMAT must be one of standard, cloudevents."),
        ("BOOKWELL_PUBLIC_URL", "booking.example.org", "BOOKWELL_PUBLIC_URL must be an address such as https://example.org."),
        ("BOOKWELL_PUBLIC_URL", "https://a\nb", "BOOKWELL_PUBLIC_URL must be an address such as https://example.org."),
        ("BOOKWELL_JOIN_URL", "javascript:{visit_id}", "BOOKWELL_JOIN_URL must be an address such as https://example.org."),
        ("BOOKWELL_JOIN_URL", "https://join.example.org/", "BOOKWELL_JOIN_URL must have {visit_id} in it."),
        ("BOOKWELL_DATABASE_URL", "mysql://db", "BOOKWELL_DATABASE_URL must begin with postgresql://."),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_in_a_sentence(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.from_environment({name: value})

    assert refused.value.message == sentence


@pytest.mark.parametrize(
    "url",
    [
        "nats.example",
        "http://secret@nats",
        "nats://",
        "nats://secret@nats:0",
        "nats://secret@nats:99999",
        "nats://secret@nats/a/b",
        "nats://secret@nats?tls=1",
        "nats://secret@na ts",
        "nats://one,",
    ],
)
def test_a_nats_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidInput, match="must be nats://host:port") as refused:
        Settings(nats_url=url)

    assert "secret" not in refused.value.message


def test_nats_takes_several_servers_with_what_they_know_us_by() -> None:
    settings = Settings(
        nats_url="nats://user:secret@one:4222,tls://two", nats_credentials=Path("/etc/bus.creds")
    )

    assert Settings.from_environment(settings.to_environment()) == settings


def test_an_option_wins_over_a_variable_and_a_variable_over_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOKWELL_PORT", "81")
    monkeypatch.setenv("BOOKWELL_WORKERS", "2")
    monkeypatch.setenv("BOOKWELL_DATABASE_URL", "postgresql://db/bookwell")

    settings = settings_from(port=82)
    here = settings_from(data_dir=Path("here"))
    both = settings_from(data_dir=Path("here"), database_url="postgresql://other/bookwell")

    assert (settings.port, settings.workers, settings.host) == (82, 2, "127.0.0.1")
    assert settings.database_url == "postgresql://db/bookwell"
    assert (here.data_dir, here.database_url) == (Path("here"), None)
    assert both.database_url == "postgresql://other/bookwell"
