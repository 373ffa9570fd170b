"""Commands in this process, and folders for those that need one of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookwell.cli.program import run
from commands import Bookwell, Said
from demos import a_folder_with_data


@pytest.fixture
def bookwell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bookwell:
    """Runs one command in this process, with these settings in the environment and no others."""
    for name in [name for name in os.environ if name.startswith("BOOKWELL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")

    def run_here(*arguments: str, **environment: str) -> Said:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = run(arguments)
        return Said(code, *capsys.readouterr())

    return run_here


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A folder; what runs on its `data` at the end, because a test failed, is stopped."""
    with a_folder_with_data() as folder:
        yield folder
