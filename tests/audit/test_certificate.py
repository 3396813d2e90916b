"""A certificate of erasure: it verifies with the public key alone, and with nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import certificate, certifying, erasing, erasure
from audit.canonical import canonical
from audit.checkpoint import VerifierKey
from audit.erasure import RECORD, Subject, Work
from audit.errors_duties import CertificateError
from audit.keys import read_verifier_keys
from audit.probe import Place
from tests.audit.standins import ANN, open_test_log, question, verify_home

Issued = tuple[Path, bytes, tuple[VerifierKey, ...]]


def issue(home: Path) -> Issued:
    """A certificate of the erasure of one record of a log."""
    with open_test_log(home) as log:
        target = log.append(question(1))
        begun = erasure.begin(
            log,
            ANN,
            Subject(RECORD, record=target.seq),
            Work((target.seq,), size=log.size()),
            basis="gdpr-17-1-a",
            requested_by="Ms R.",
        )
        erasing.destroy(log, [target.seq])
        erasure.cleared(log, ANN, begun, "log payloads", 1)
        found = (Place("audit log", 3, 1000, 4, 0),)
        known = erasure.probed(
            log, ANN, begun, found, [target.seq], needles=4, shared=1, marks=9, through=5
        )
        file, _ = certifying.issue(log, erasure.finish(log, ANN, known))
    return file, file.read_bytes(), read_verifier_keys(home / "audit" / "keys")


def test_it_says_what_was_done_and_verifies_with_the_public_key_alone(home: Path) -> None:
    file, data, keys = issue(home)
    said = json.loads(data)["certificate"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert said["requested_by"] == "Ms R."
    assert said["acted"] == {"kind": "person", "id": "ann"}
    assert said["probe"]["places"] == ["audit log:3:1000:0"]
    assert "controller to judge" in json.dumps(said["kept"])
    verified = certificate.verify(data, keys)
    assert (verified.kind, verified.records, verified.needles, verified.found) == (
        "record",
        1,
        4,
        0,
    )
    assert "0 of 4 pieces" in verified.text()
    assert verify_home(home).headline() == "OK"


def test_it_verifies_after_a_new_epoch_of_keys_by_the_first_key(home: Path) -> None:
    _, data, keys = issue(home)
    with open_test_log(home) as log:
        log.rotate_key()
    assert certificate.verify(data, keys).records == 1


@pytest.mark.parametrize("step", [97, pytest.param(1, marks=pytest.mark.slow)])
def test_every_changed_bit_is_found(home: Path, step: int) -> None:
    _, data, keys = issue(home)
    for at in range(0, len(data), step):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises(CertificateError):
                certificate.verify(bytes(changed), keys)


def _set(name: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda said: said.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        _set("record", 0),
        _set("basis", "order"),
        _set("finished", "2020-01-01T00:00:00.000000000Z"),
        _set("acted", {"kind": "person", "id": "bob"}),
        _set("records_erased", ["1-99"]),
        _set("probe", {"found": 0, "needles": 400}),
        _set("erasure", "0" * 32),
        _set("documents", ["d" * 64]),
        _set("places_cleared", ["everything"]),
    ],
)
def test_a_signed_lie_about_its_own_records_is_refused(
    home: Path, change: Callable[[dict[str, object]], None]
) -> None:
    import hashlib

    _, data, keys = issue(home)
    said = json.loads(data)["certificate"]
    change(said)
    with open_test_log(home) as log:
        digest = hashlib.sha256(canonical(said)).hexdigest()
        note = log.sign(f"{certificate.TITLE}\n{log.origin}\n{digest}\n")
    with pytest.raises(CertificateError):
        certificate.verify(canonical({"certificate": said, "signature": note}), keys)


def test_another_logs_certificate_and_a_checkpoint_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _, data, _ = issue(tmp_path / "one")
    _, _, keys = issue(tmp_path / "two")
    for given in (data, b"{}", b"[1]", b"\xff", b"", (tmp_path / "one/audit/log.db").read_bytes()):
        with pytest.raises(CertificateError):
            certificate.verify(given, keys)


def test_issued_again_it_says_the_same(home: Path) -> None:
    file, data, keys = issue(home)
    file.unlink()
    with open_test_log(home) as log:
        (done,) = erasure.every(log)
        again, _ = certifying.issue(log, done)
    one, other = json.loads(data)["certificate"], json.loads(again.read_bytes())["certificate"]
    one.pop("evidence")
    other.pop("evidence")
    assert one == other
    assert certificate.verify(again.read_bytes(), keys).records == 1
