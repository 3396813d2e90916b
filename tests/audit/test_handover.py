"""The verifier as one file: what is in it, and that it runs where nothing else is."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from audit import handover
from audit.errors import ExportExistsError, ExportFailedError
from audit.proof import verify_proof
from tests.audit.standins import ANN, open_test_log, question, written_log

# With -I -S neither the environment nor site-packages count: only what is put on the path here.
_BARE = """
import runpy, sys
sys.path[:] = [place for place in sys.path if "site-packages" not in place] + [sys.argv[1]]
sys.argv[:] = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_modules_are_those_that_python_imports() -> None:
    code = (
        "import sys, audit.verifier_cli\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] == 'audit'))\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _with_cryptography(code)], **_CAPTURED)
    assert done.returncode == 0, done.stderr
    ours, foreign = done.stdout.splitlines()
    assert tuple(ours.split()) == handover.modules()
    # bcrypt is what `cryptography` itself tries to import, for keys of OpenSSH.
    its_own = {"cryptography", "_cffi_backend", "_openssl", "bcrypt"}
    assert set(foreign.split()) <= {"audit", "__main__", *its_own}


_CAPTURED = {"capture_output": True, "text": True, "check": False}


def _with_cryptography(code: str) -> str:
    places = [str(Path.cwd()), str(_site())]
    return f"import sys; sys.path += {places!r}\n{code}"


def _site() -> Path:
    spec = importlib.util.find_spec("cryptography")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.parent


def test_the_same_sources_give_the_same_bytes(home: Path, tmp_path: Path) -> None:
    assert handover.build() == handover.build()
    out = tmp_path / "cloister-verify.pyz"
    with open_test_log(home) as log:
        made = handover.hand_over_verifier(log, ANN, out)
        newest = log.leaf(log.size() - 1)
        assert newest.type == "verifier.handed_over"
        assert made.sha256.encode() in newest.envelope
        with pytest.raises(ExportExistsError):
            handover.hand_over_verifier(log, ANN, out)
        with pytest.raises(ExportFailedError):
            handover.hand_over_verifier(log, ANN, tmp_path / "none" / "x.pyz")
        assert log.leaf(log.size() - 1).seq == newest.seq  # what was not done was not recorded
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
    assert {"LICENSE", "README.txt", "__main__.py", "audit/verify.py"} <= names
    assert len(names) == len(made.modules) + 3
    assert not any("log.py" in name or "keystore" in name for name in names)


def test_the_file_runs_where_only_cryptography_is(home: Path, tmp_path: Path) -> None:
    notes = written_log(home)
    bare = tmp_path / "bare"
    (bare / "site").mkdir(parents=True)
    for name in ("cryptography", "_cffi_backend*", "cffi"):
        for found in _site().glob(name):
            (bare / "site" / found.name).symlink_to(found)
    (bare / "verify.pyz").write_bytes(handover.build())
    (bare / "kept.note").write_bytes(notes[-1])
    folder = home / "audit"
    arguments = [str(folder), "--key", str(folder / "keys" / "epoch-1.pub"), "--json"]
    arguments += ["--checkpoint", "kept.note"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _BARE, "site", "verify.pyz", *arguments],
        cwd=bare,
        **_CAPTURED,
    )
    assert (done.returncode, done.stderr) == (0, "")
    values = json.loads(done.stdout)
    assert (values["state"], values["given_up_to"], values["closed"]) == ("OK", 11, True)


def test_a_proof_is_handed_over_on_record(home: Path, tmp_path: Path) -> None:
    with open_test_log(home) as log:
        record = log.append(question())
        out = tmp_path / "record.proof"
        made = handover.hand_over_proof(log, ANN, record.event_id, out)
        newest = log.leaf(log.size() - 1)
        assert newest.type == "log.proof_made"
        assert record.event_id.encode() in newest.envelope
        assert verify_proof(out.read_bytes(), log.trusted_keys).seq == made.seq == record.seq
        with pytest.raises(ExportExistsError):
            handover.hand_over_proof(log, ANN, 0, out)
