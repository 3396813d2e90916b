"""Refusing a database whose tables are not the log's.

A view in a table's place could show the verifier other rows than it shows Cloister, and a trigger
could remove what is recorded from now on; another collation, or a conflict clause that drops what
it should refuse, would change what filters find and what is kept. So each definition must be the
one that the log makes, comments and spaces apart. That the rows are right is the matter of the
tree.
"""

from __future__ import annotations

import re
import sqlite3

from audit.findings import Findings
from audit.store import definitions

_COLUMNS = {
    "meta": "key value",
    "leaf": "seq event_id type ts_utc session request_id hash envelope",
    "payload": "seq stored",
    "node": "level position hash",
    "checkpoint": "size note",
    "pruned": "seq hash by_seq",
}
_OPTIONAL = frozenset({"pruned"})  # logs from before there was retention have none
_COMMENT = re.compile(r"--[^\n]*")
_OURS = "the log only grows"  # what each of the log's triggers says


def check_schema(connection: sqlite3.Connection, findings: Findings) -> bool:
    """Look at what the database consists of; return whether the rows can be read at all.

    Raises sqlite3.Error.
    """
    rows = connection.execute(
        "SELECT type, name, tbl_name, CASE WHEN length(sql) <= 4096 THEN sql END FROM sqlite_master"
    ).fetchall()
    tables = {str(name) for kind, name, *_ in rows if kind == "table"}
    for kind, name, owner, sql in rows:
        if not _belongs(str(kind), str(name), str(owner), str(sql)):
            article = "an" if kind == "index" else "a"
            findings.add(f"the database holds {article} {kind} `{name}` that is not the log's")
    readable = True
    for table, columns in _COLUMNS.items():
        if table not in tables:
            if table not in _OPTIONAL:
                findings.add(f"the table `{table}` is missing")
                readable = False
            continue
        found = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,))
        if [tuple(row) for row in found] != [(name, 0) for name in columns.split()]:
            findings.add(f"the table `{table}` has other columns than the log's")
            readable = False
    return readable


def _belongs(kind: str, name: str, owner: str, sql: str) -> bool:
    if name.startswith("sqlite_"):
        return kind in ("table", "index")  # SQLite's own: automatic indexes, statistics
    if kind in ("table", "index"):
        ours = definitions().get(name, "")
        return ours.startswith(f"CREATE {kind.upper()} ") and _bare(sql) == _bare(ours)
    named = {f"{owner}_no_update": "UPDATE", f"{owner}_no_delete": "DELETE"}
    if kind != "trigger" or name not in named:
        return False
    wanted = (
        f"CREATE TRIGGER {name} BEFORE {named[name]} ON {owner} "
        f"BEGIN SELECT RAISE(ABORT, '{_OURS}'); END"
    )
    return sql == wanted


def _bare(sql: str) -> str:
    """A definition without comments, its white space evened out."""
    return " ".join(_COMMENT.sub("", sql).split())


def has_pruned(connection: sqlite3.Connection) -> bool:
    """Whether there is a table of pruned records. Raises sqlite3.Error."""
    row = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'pruned'"
    ).fetchone()
    return bool(row[0])
