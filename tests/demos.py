"""A running `bookwell demo`, and its manifest as a program reads it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bookwell.storage.cluster import Cluster
from bookwell.storage.postmaster import shut_down
from commands import Running, running
from embedded_servers import a_folder


@dataclass(frozen=True)
class Demo:
    """A demo that is ready."""

    running: Running
    manifest: dict[str, Any]
    http: httpx.Client

    def brand(self, brand_id: str) -> dict[str, Any]:
        """What the manifest says of a brand."""
        (found,) = [brand for brand in self.manifest["brands"] if brand["id"] == brand_id]
        assert isinstance(found, dict)
        return found

    def call(
        self, method: str, path: str, token: str, body: object = None, *, brand_id: str = "loop"
    ) -> httpx.Response:
        """A call with the token of that name."""
        bearer = {"Authorization": f"Bearer {self.brand(brand_id)['tokens'][token]}"}
        return self.http.request(method, path, headers=bearer, json=body)

    def free_slots(self, brand_id: str = "loop", provider_id: str = "prv_farah") -> list[str]:
        """The ids of free slots, earliest first; none of them begins while a test goes on."""
        soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        window = f"brand_id={brand_id}&booked=false&limit=20&from={soon}"
        path = f"/v1/providers/{provider_id}/slots?{window}"
        answer = self.call("GET", path, "patient", brand_id=brand_id)
        assert answer.status_code == 200, answer.text
        return [slot["id"] for slot in answer.json()["slots"]]

    def book(self, slot_id: str, brand_id: str = "loop") -> httpx.Response:
        """A booking by the first patient."""
        wanted = {
            "brand_id": brand_id,
            "patient_id": self.brand(brand_id)["patients"][0],
            "slot_id": slot_id,
            "visit_type": "follow_up",
        }
        return self.call("POST", "/v1/visits", "patient", wanted, brand_id=brand_id)


@contextmanager
def a_folder_with_data() -> Iterator[Path]:
    """A folder; what runs on its `data` at the end is stopped."""
    with a_folder() as folder:
        try:
            yield folder
        finally:
            shut_down(Cluster(folder / "data", durable=True))


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """A demo whose data is `folder/data`; what it kept there before is there again."""
    manifest = folder / "manifest.json"
    manifest.write_text("what the last demo left behind")
    arguments = ("--port", "0", "--data-dir", str(folder / "data"), "--manifest", str(manifest))
    # A narrow terminal, in which nothing may be wrapped.
    with running(folder, "demo", *arguments, COLUMNS="40") as process:
        process.until(lambda: not manifest.exists())
        process.until(manifest.exists)
        described = json.loads(manifest.read_text())
        with httpx.Client(base_url=described["base_url"], timeout=30, trust_env=False) as http:
            yield Demo(process, described, http)
