"""The service as it runs in production, `bookwell serve`, with everything on but rate limits."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_PATIENCE_SECONDS = 30
STOP_PATIENCE_SECONDS = 60
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running one."""

    base_url: str
    pid: int


@contextmanager
def serving(database_url: str, *, workers: int, log: Path, **settings: str) -> Iterator[Service]:
    """Run it on a free port, with these settings too; it has drained when the block is left."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")},
        "BOOKWELL_DATABASE_URL": database_url,
        "BOOKWELL_RATE_READS_PER_MINUTE": "0",
        "BOOKWELL_RATE_WRITES_PER_MINUTE": "0",
        "BOOKWELL_RATE_ADMIN_PER_MINUTE": "0",
        "BOOKWELL_LOG_LEVEL": "info",
        "BOOKWELL_LOG_FORMAT": "json",
        **{f"BOOKWELL_{name.upper()}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "bookwell", "serve", "--port=0", f"--workers={workers}"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        yield Service(base_url=_address_in(log, process), pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address_in(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Wait until the service says in its log where it is."""
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_bytes().splitlines():
            if b'"serving"' in line:
                return str(json.loads(line)["address"])
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"The service does not start: {log.read_text()[-2000:]}")
