"""How a PostgreSQL server is reached: its URL, its engines, and its errors as sentences.

The driver is pg8000, which SQLAlchemy loads by name when an engine is made, so that this module
can be imported without it. A connection goes to the configured host or socket and nowhere else.
To a host other than this machine it is encrypted and the server's certificate is checked, unless
the URL says `sslmode=disable`. The password is in no message and no log line.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from index.errors import ConfigurationError, ViewDamaged, ViewUnavailable

ANSWER_S = 10.0  # how long a search waits for the server before it is done without
WORK_S = 3_600.0  # how long a writer does: building an index of millions takes its time

_POOL = "cloister-postgres"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_KEYS = frozenset({"host", "sslmode", "sslrootcert"})
_GONE = frozenset({"08", "28", "53", "57", "3D"})  # connection, login, resources, shutdown, no db
_BROKEN = frozenset({"22000", "23505", "3F000", "42703", "42P01", "XX001", "XX002"})


@dataclass(frozen=True, slots=True)
class Server:
    """A database of a server. `place` names it in sentences, without user and password."""

    place: str
    url: sa.URL = field(repr=False)
    arguments: dict[str, Any] = field(repr=False)

    def engine(self, timeout_s: float, **options: Any) -> sa.Engine:
        """An engine whose connections wait at most `timeout_s` seconds for an answer.

        Raises:
            ConfigurationError: the driver is not installed.
        """
        # What a connection says while it is closed after a failure is known: the failure is raised.
        logging.getLogger(f"sqlalchemy.pool.impl.QueuePool.{_POOL}").setLevel(logging.CRITICAL)
        try:
            return sa.create_engine(
                self.url,
                connect_args={
                    **self.arguments,
                    "timeout": timeout_s,
                    "application_name": "cloister",
                },
                pool_pre_ping=True,  # a server that was restarted costs no failed search
                pool_timeout=timeout_s,
                pool_logging_name=_POOL,
                hide_parameters=True,
                client_encoding="utf8",
                **options,
            )
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "The PostgreSQL driver pg8000 is missing; install it with "
                "`pip install 'cloister[pgvector]'`."
            ) from error

    @contextmanager
    def errors(self, engine: sa.Engine) -> Iterator[None]:
        """Turns what driver and server raise into `ViewUnavailable` or `ViewDamaged`.

        Only what says that tables are not as they should be counts as damage, since a damaged
        view is thrown away: an unknown failure must not cost one that is whole.
        """
        driver = engine.dialect.loaded_dbapi.Error
        try:
            yield
        except (sa.exc.SQLAlchemyError, OSError, driver) as error:
            state, reason = _said(error)
            if state in _BROKEN:
                raise ViewDamaged("pgvector", reason) from error
            raise ViewUnavailable(
                self.place, reason, unanswered=not state or state[:2] in _GONE
            ) from error


def read_url(text: str, password: str | None = None) -> Server:
    """The server that `postgresql://user@host:port/database?...` names.

    The part after `?` may have `host` (the folder of a Unix socket), `sslmode` (`verify-full` or
    `disable`) and `sslrootcert` (a file of certificates to trust), as libpq names them.

    Raises:
        ConfigurationError: not such a URL, or the certificates cannot be read. The sentence does
            not repeat the URL, which may hold a password.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise _unusable("it is not a URL") from error
    if url.drivername not in ("postgresql", "postgres"):
        raise _unusable("it does not begin with postgresql://")
    query = {key: value for key, value in url.query.items() if isinstance(value, str)}
    unknown = sorted(set(url.query) - _KEYS) or sorted(set(url.query) - set(query))
    if unknown:
        raise _unusable(f"{unknown[0]!r} is unknown or given twice in it")
    socket = query.get("host")
    if not url.database or not url.username or bool(socket) == bool(url.host):
        raise _unusable("it must name a user, a database, and either a host or a socket's folder")
    secret = url.password if password is None else password
    plain = sa.URL.create(
        "postgresql+pg8000", url.username, secret, url.host, url.port, url.database
    )
    if socket:
        path = Path(socket) / f".s.PGSQL.{url.port or 5432}"
        return Server(
            f"{path}/{url.database}",
            plain.set(host=None, port=None),
            {"unix_sock": str(path), "ssl_context": False},
        )
    place = f"{url.host}:{url.port or 5432}/{url.database}"
    return Server(place, plain, _encryption(str(url.host), query))


def _encryption(host: str, query: dict[str, str]) -> dict[str, Any]:
    mode = query.get("sslmode", "disable" if host in _LOCAL else "verify-full")
    if mode == "disable":
        return {"ssl_context": False}
    if mode != "verify-full":
        raise _unusable("sslmode must be verify-full or disable")
    try:
        return {"ssl_context": ssl.create_default_context(cafile=query.get("sslrootcert"))}
    except OSError as error:
        raise _unusable("the file that sslrootcert names holds no readable certificates") from error


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The setting vector_url of [index] cannot be used: {reason}; write it as "
        "postgresql://user@host:5432/database or postgresql://user@/database?host=/run/postgresql."
    )


def _said(error: BaseException) -> tuple[str, str]:
    """The SQLSTATE (empty: not from the server) and one line that holds no parameters.

    What the server said may lie below what closing the connection raised after it.
    """
    chain = list(_chain(error))
    for each in chain:
        said = each.args[0] if each.args else None
        if isinstance(said, dict):
            return str(said.get("C", "")), str(said.get("M", "no reason given"))
    for each in chain:
        if isinstance(each, OSError):
            return "", each.strerror or "it does not answer"
        if isinstance(each, sa.exc.TimeoutError):
            return "", "all connections are in use"
    return "", str(chain[-1]).partition("\n")[0] or "it does not answer"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [getattr(each, "orig", None), each.__cause__, each.__context__]
