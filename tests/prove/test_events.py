"""`bookwell prove --events` as an operator runs it, with fewer changes than an operator would."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from commands import Said, environment_of
from embedded_servers import a_folder
from processes_of import processes_in

CHANGES = 600
# Starting, changing, draining and clearing away, on a machine that is busy with other tests.
PATIENCE_SECONDS = 240


def proved(folder: Path, *arguments: str) -> Said:
    ended = subprocess.run(
        [sys.executable, "-m", "bookwell", "prove", "--events", *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=environment_of(TMPDIR=str(folder)),
    )
    return Said(ended.returncode, ended.stdout, ended.stderr)


def test_every_fact_leaves_through_kills_and_bad_receivers_in_order_signed_and_to_nobody_else() -> (
    None
):
    with a_folder() as folder:
        report, history, page = (folder / name for name in ("r.json", "h.jsonl", "r.html"))
        files = ("--json", str(report), "--history", str(history), "--html", str(page))

        plan = ("--changes", str(CHANGES), "--seconds", "8", "--seed", "1")
        said = proved(folder, *plan, *files)

        assert said.code == 0, said.out + said.err
        assert list(folder.glob("bw-*")) == []
        assert processes_in(folder) == []
        told = json.loads(report.read_bytes())
        lines = kinds_of(history)
        written = page.read_text()
    assert {check["name"]: check["holds"] for check in told["checks"]} == {
        check["name"]: True for check in told["checks"]
    }
    assert {fault["what"] for fault in told["faults"]} == {"killed a worker", "killed a courier"}
    assert len(told["faults"]) >= 2
    left = told["left"]
    assert told["total"]["attempts"] == CHANGES == left["changes"] == lines["attempts"]
    assert left["events"] == lines["committed"] == lines["followed"] == lines["streamed"]
    assert sum(sent["requests"] for sent in left["sent"]) == lines["received"]
    assert all(sent["requests"] > sent["events"] > 0 for sent in left["sent"])
    assert f"--events --workers 2 --clients 16 --changes {CHANGES} --seconds 8 --seed 1" in written
    assert "Every promise was kept." in written
    assert "What each endpoint was sent" in written
    assert "whsec_" not in written + said.out + said.err


def kinds_of(history: Path) -> Counter[str]:
    """How many lines of each kind there are."""
    secret = b"whsec_"
    lines = history.read_bytes().splitlines()
    assert not any(secret in line for line in lines)
    return Counter(kind for line in lines for kind in json.loads(line))
