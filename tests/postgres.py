"""A real PostgreSQL server for tests: its own folder, a socket in it, no port.

Fixtures: `postgres_server` (one per worker), `postgres_url` (a migrated, empty database), `bare_postgres_url` (without
tables), `sqlite_url`, `database_url` (both engines).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.tables import metadata

_PLACES = (
    "/usr/lib/postgresql/*/bin/postgres",
    "/usr/local/pgsql/bin/postgres",
    "/opt/homebrew/opt/postgresql*/bin/postgres",
)
_START_SECONDS = 30.0
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_wal_senders=0")
_SMALL = ("shared_buffers=32MB", "max_connections=100", "wal_level=minimal")


def find_server() -> Path | None:
    """The folder of the server's programs: on PATH, or where the distributions put them; the newest of several."""
    on_path = shutil.which("postgres")
    if on_path and shutil.which("initdb", path=str(Path(on_path).parent)):
        return Path(on_path).parent
    found = [path for pattern in _PLACES for path in Path("/").glob(pattern.lstrip("/"))]
    numbered = sorted(
        found, key=lambda path: [int(part) for part in path.parent.parent.name.split(".") if part.isdigit()]
    )
    return numbered[-1].parent if numbered else None


def _as_plain_user() -> dict[str, Any]:
    """How a child is started: the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


@dataclass
class Server:
    """A server in a folder of its own, which can be stopped and started again."""

    programs: Path
    folder: Path
    user: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    made: int = 0
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"})

    def initialise(self) -> None:
        """Make the cluster, with English order of texts where the server can: it differs from the bytes' order."""
        plain = [
            self.programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "tester",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        english = [*plain, "--locale-provider=icu", "--icu-locale=en-US", "--locale=C"]
        if not self._ran(english):
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            if not self._ran([*plain, "--locale=C"]):
                raise RuntimeError((self.folder / "initdb.log").read_text())

    def _ran(self, command: list[Any]) -> bool:
        with (self.folder / "initdb.log").open("wb") as log:
            done = subprocess.run(
                command,
                check=False,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                timeout=60,
                **self.user,
            )
        return done.returncode == 0

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = [word for setting in (*_QUICK, *_SMALL, "listen_addresses=") for word in ("-c", setting)]
        command = [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                **self.user,
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.admin("SELECT 1")
            except psycopg.OperationalError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "server.log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def stop(self, *, rudely: bool = False) -> None:
        """End it: open connections are closed; `rudely` as a crash would."""
        if self.process is None:
            return
        import signal

        self.process.send_signal(signal.SIGQUIT if rudely else signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def admin(self, statement: str) -> None:
        """One statement outside of any transaction."""
        with closing(psycopg.connect(host=str(self.folder), user="tester", dbname="postgres", autocommit=True)) as link:
            link.execute(statement)

    def url(self, name: str) -> str:
        return f"postgresql://tester:the-secret@/{name}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        """A new database; its name."""
        self.made += 1
        name = f"test_{self.made}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def empty(self, name: str) -> None:
        """Let everybody go who is still in it, and take out every row."""
        self.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
        with closing(psycopg.connect(host=str(self.folder), user="tester", dbname=name, autocommit=True)) as link:
            link.execute("; ".join(f"DELETE FROM {table.name}" for table in metadata.sorted_tables))  # noqa: S608

    def drop(self, name: str) -> None:
        self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A running server with the database `migrated`; skipped without one, except where everything must be tested."""
    programs = find_server()
    if programs is None:
        reason = "no PostgreSQL server found (Debian: apt-get install postgresql)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"{reason}; with CI=true its tests are not left out")
        pytest.skip(reason)
    user = _as_plain_user()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if user:
        os.chown(folder, user["user"], user["group"])
    server = Server(programs, folder, user)
    try:
        server.initialise()
        server.start()
        server.admin("CREATE DATABASE migrated TEMPLATE template0")
        open_database(server.url("migrated")).close()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: Server) -> str:
    """A migrated ledger's address, emptied for each test: a database made anew costs up to a second."""
    postgres_server.empty("migrated")
    return postgres_server.url("migrated")


@pytest.fixture
def bare_postgres_url(postgres_server: Server) -> Iterator[str]:
    """A database of its own without any table."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_database(f"sqlite:///{path}").close()
        return path.read_bytes()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated, empty file of its own."""
    (tmp_path / "ledger.db").write_bytes(_migrated_file())
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty ledger's address, on each engine."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    found: str = request.getfixturevalue("postgres_url")
    return found
