"""Files that a reader finds whole or not at all, and that only we may read."""

import os
import tempfile
from pathlib import Path

import msgspec


def write_whole(path: Path, value: object) -> None:
    """Write the value as JSON under that name, in one step; it may hold secrets. Raises OSError."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    # A temporary file is ours alone (mode 0600) from its first byte on.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
