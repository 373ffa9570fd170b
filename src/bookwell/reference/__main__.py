"""`python -m bookwell.reference [FOLDER]`: write the pages, by default into `docs/reference`."""

import sys
import tempfile
from pathlib import Path

from bookwell.reference.pages import pages
from bookwell.storage.embedded import EmbeddedPostgres
from bookwell.storage.migrate import migrate


def main(folder: Path) -> None:
    """Write each page into the folder. The schema is read from a database made for the moment."""
    with (
        tempfile.TemporaryDirectory(prefix="bw-") as data_dir,
        EmbeddedPostgres(Path(data_dir), durable=False) as postgres,
    ):
        migrate(postgres.url)
        written = pages(postgres.url)
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"Wrote {len(written)} pages into {folder}.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
