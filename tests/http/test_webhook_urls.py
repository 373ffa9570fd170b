"""Where webhooks may not go: refused as soon as it is said, and never repeated."""

import pytest

from clinic import Clinic
from envelope import invalid
from webhook_desk import PATH, add, call

REFUSED = {
    "not https": "http://receiver.invalid/hook",
    "this machine": "https://127.0.0.1/hook",
    "this machine by name": "https://localhost:9000/hook",
    "this machine in IPv6": "https://[::1]/hook",
    "a private network": "https://10.1.2.3/hook",
    "the machine's own keeper": "https://169.254.169.254/latest/meta-data",
    "private in other clothes": "https://[::ffff:10.0.0.1]/hook",
    "a password": "https://me:sesame@receiver.invalid/hook",
    "a fragment": "https://receiver.invalid/hook#sesame",
    "no host": "https:///hook",
    "no URL": "sesame",
    "another scheme": "ftp://receiver.invalid/hook",
    "too long": "https://receiver.invalid/" + "x" * 2048,
    "a NUL": "https://receiver.invalid/\x00",
    "what can be no name": "https://-bad-/hook",
    "a public address in other clothes": "https://0x08080808/sesame",
    "port 0": "https://receiver.invalid:0/",
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_url_that_leads_inside_or_nowhere_is_refused(clinic: Clinic, why: str) -> None:
    url = REFUSED[why]
    known = add(clinic)["id"]
    clinic.world.sql(
        "UPDATE booking.webhook_endpoint SET deleted_at = now() WHERE endpoint_id <> %s", known
    )

    new = clinic.post(PATH, {"url": url, "event_types": ["*"]}, token=clinic.world.admin)
    changed = call(clinic, "PATCH", f"/{known}", {"url": url})

    for answer in (new, changed):
        invalid(answer, "url")
        assert "sesame" not in answer.text


def test_a_name_that_nobody_knows_today_may_be_known_tomorrow(clinic: Clinic) -> None:
    url = f"https://{clinic.new_id('x').replace('_', '-')}.invalid/hook"

    assert add(clinic, url)["url"] == url
