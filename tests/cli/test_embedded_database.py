"""Commands on the embedded database of a folder, and on one that a variable names."""

from pathlib import Path

from commands import Bookwell
from embedded_servers import nothing_runs_on


def test_commands_make_a_folders_database_use_it_and_stop_it_whatever_the_environment_names(
    empty_folder: Path, bookwell: Bookwell, database_url: str
) -> None:
    data_dir = str(empty_folder / "data")
    bookwell("brand", "add", "there", "--name", "There", "--database-url", database_url)

    applied = bookwell("migrate", "--data-dir", data_dir)
    again = bookwell("migrate", BOOKWELL_DATA_DIR=data_dir)
    bookwell("brand", "add", "here", "--name", "Here", "--data-dir", data_dir)
    here = bookwell("brand", "list", "--json", "--data-dir", data_dir, BOOKWELL_DATABASE_URL=database_url)  # fmt: skip
    there = bookwell("brand", "list", "--json", BOOKWELL_DATABASE_URL=database_url)

    assert "Applied 0001.booking." in applied.out.splitlines()
    assert again.out == "The schema is the newest already.\n"
    assert [row["id"] for row in here.rows] == ["here"]
    assert [row["id"] for row in there.rows] == ["there"]
    assert nothing_runs_on(empty_folder / "data")
