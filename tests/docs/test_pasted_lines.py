"""Lines to paste work as pasted: they are run against the demo, and say what the page says."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from commands import environment_of, running
from documents import DOCS, PAGES, ROOT, Fence, fences_of, name_of
from embedded_servers import a_folder

# Where the pages think the demo runs.
PUBLIC_ADDRESS = "127.0.0.1:8000"
WITH_LINES_TO_PASTE = [page for page in PAGES if any(f.language == "sh" for f in fences_of(page))]
SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
STAND_IN = ROOT / "tests" / "curl_stand_in.py"
# Between the output of two blocks; nothing prints this.
SEAM = "----8<----"


@dataclass(frozen=True)
class Demo:
    """The demo, started in a folder as `make demo` starts it."""

    folder: Path
    address: str

    @property
    def stand_ins(self) -> Path:
        """A folder of programs for those that this machine may not have."""
        return self.folder / "bin"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with a_folder() as folder:
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").symlink_to(sys.executable)
        curl = folder / "bin" / "curl"
        curl.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        curl.chmod(0o755)
        manifest = folder / "demo.json"
        command = ["demo", "--port", "0", "--manifest", str(manifest)]
        with running(folder, *command, BOOKWELL_DATA_DIR=str(folder / ".bookwell")) as process:
            process.until(manifest.exists)
            base_url = json.loads(manifest.read_text())["base_url"]
            yield Demo(folder, urlsplit(base_url).netloc)
            process.end(signal.SIGINT)


def run(demo: Demo, page: Path, *path: str, shell: str = "sh") -> list[str]:
    """Paste the page's blocks one after the other into one shell; what each of them printed."""
    fences = blocks_of(page)
    script = f"\necho {shlex.quote(SEAM)}\n".join(fence.text for fence in fences)
    ended = subprocess.run(
        [shell, "-eu", "-c", script.replace(PUBLIC_ADDRESS, demo.address)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=demo.folder,
        env=environment_of(PATH=os.pathsep.join(path)),
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    printed = ended.stdout.split(f"{SEAM}\n")
    return [text for text, fence in zip(printed, fences, strict=True) if fence.answer is not None]


def blocks_of(page: Path) -> list[Fence]:
    return [fence for fence in fences_of(page) if fence.language == "sh"]


def answers_of(page: Path) -> list[str]:
    """What the page says its blocks print, where it says so."""
    return [fence.answer for fence in blocks_of(page) if fence.answer is not None]


@pytest.mark.parametrize("page", WITH_LINES_TO_PASTE, ids=name_of)
def test_lines_to_paste_say_what_the_page_says(demo: Demo, page: Path) -> None:
    assert answers_of(page)

    assert run(demo, page, os.environ["PATH"], str(demo.stand_ins)) == answers_of(page)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_lines_of_the_readme_run_in_every_shell_and_without_curl(
    demo: Demo, shell: str
) -> None:
    readme = ROOT / "README.md"

    printed = run(demo, readme, str(demo.stand_ins), os.environ["PATH"], shell=shell)

    assert printed == answers_of(readme)


def test_curl_stands_in_blocks_that_are_run_or_are_marked_to_be_adapted() -> None:
    elsewhere = [
        (name_of(page), fence.language)
        for page in PAGES
        for fence in fences_of(page)
        if "curl" in fence.text and fence.language not in ("sh", "shell")
    ]

    assert elsewhere == []
    assert DOCS / "tutorial" / "first-visit.md" in WITH_LINES_TO_PASTE
