"""The repository names no place that only one machine has."""

import re
import subprocess
from pathlib import Path

import pytest

from documents import ROOT

PRIVATE = {
    # Put together, so that this file does not name them.
    "a path of one machine": re.compile(
        rf"(?<![\w.)}}])/({'wo' + 'rk'}|{'ro' + 'ot'}|home/\w+|Users/\w+)/"
    ),
    "a package index": re.compile(
        r"(?<!no-emit-)index" + r"-url|find" + r"-links|pypi" + r"\.org|pythonhosted" + r"\.org"
    ),
    "a proxy": re.compile(r"https?_proxy" + r"\s*=", re.IGNORECASE),
}


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", PRIVATE)
def test_no_file_names(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_bytes().decode(errors="replace").splitlines(), 1)
        if PRIVATE[what].search(line)
    ]

    assert found == []


def test_every_file_is_looked_at() -> None:
    assert {ROOT / "README.md", ROOT / "requirements.lock", Path(__file__)} <= set(files())
