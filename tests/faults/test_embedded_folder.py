import fcntl
import shutil
import stat
from pathlib import Path

import pytest

from bookwell.storage.cluster import Cluster
from bookwell.storage.embedded import EmbeddedPostgresError
from embedded_servers import ask, database, server_on


def test_a_folder_with_a_long_path_has_its_socket_elsewhere_and_private(empty_folder: Path) -> None:
    deep = empty_folder / ("x" * 100)

    with database(deep) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
        socket_dir = server_on(deep).socket_dir
        assert socket_dir is not None
        status = socket_dir.stat()
        assert stat.S_IMODE(status.st_mode) == 0o700
        assert status.st_uid == Cluster(deep, durable=False).owner.uid
        server.stop()
        assert server.start() == f"postgresql://postgres@/bookwell?host={socket_dir}"
    shutil.rmtree(socket_dir)


def test_a_socket_folder_that_somebody_opened_to_others_is_refused(empty_folder: Path) -> None:
    deep = empty_folder / ("y" * 100)
    elsewhere = empty_folder.parent / Cluster(deep, durable=False).tag
    elsewhere.mkdir()
    elsewhere.chmod(0o777)

    with pytest.raises(EmbeddedPostgresError, match="is open to others"):
        database(deep).start()
    elsewhere.rmdir()


def test_a_copy_that_root_restored_is_given_back_to_the_server(
    folder: Path, empty_folder: Path
) -> None:
    shutil.copytree(folder / "postgres", empty_folder / "postgres")

    with database(empty_folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_a_path_with_spaces_and_commas_works(empty_folder: Path) -> None:
    for name in ("with space", "with, comma"):
        with database(empty_folder / name) as server:
            assert ask(server.url, "SELECT 1") == [(1,)]
            socket_dir = server_on(empty_folder / name).socket_dir
        if socket_dir and empty_folder not in socket_dir.parents:
            shutil.rmtree(socket_dir)


def test_half_a_cluster_is_kept_aside_and_a_whole_one_made(empty_folder: Path) -> None:
    (empty_folder / "postgres/global").mkdir(parents=True)
    (empty_folder / "postgres/PG_VERSION").write_text("18\n")
    (empty_folder / "postgres.new-killed").mkdir()

    with database(empty_folder) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]

    (aside,) = empty_folder.glob("postgres.incomplete-*")
    assert (aside / "PG_VERSION").read_text() == "18\n"
    assert not (empty_folder / "postgres.new-killed").exists()


def test_a_cluster_of_another_major_version_is_refused_in_a_sentence(empty_folder: Path) -> None:
    with database(empty_folder):
        pass
    (empty_folder / "postgres/PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16, and this bookwell"):
        database(empty_folder).start()


def test_a_server_that_cannot_start_is_explained_with_its_log(empty_folder: Path) -> None:
    with database(empty_folder):
        pass
    with (empty_folder / "postgres/postgresql.conf").open("a") as settings:
        settings.write("work_mem = nonsense\n")

    with pytest.raises(EmbeddedPostgresError, match=r"postgres\.log.*\n(.*\n)*.*work_mem"):
        database(empty_folder).start()


def test_a_folder_in_use_from_another_container_is_refused(empty_folder: Path) -> None:
    lock = (empty_folder / "in-use.lock").open("w")
    with lock:
        lock.write("another-kernel pid:[1]")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_SH)

        with pytest.raises(EmbeddedPostgresError, match="in use from another container"):
            database(empty_folder).start()


def test_a_big_log_is_put_aside_at_the_next_start(folder: Path) -> None:
    (folder / "postgres.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))

    with database(folder):
        assert (folder / "postgres.log").stat().st_size < 10_000
        assert (folder / "postgres.log.1").stat().st_size > 10_000_000
