"""Run the proof vectors of transparency-dev/merkle against `audit.merkle`.

    python benchmarks/merkle_vectors.py FOLDER

FOLDER holds `inclusion/` and `consistency/` with one vector a JSON file, as in the `testdata`
folder of https://github.com/transparency-dev/merkle. Prints `right/total` and each wrong file, and
ends with 1 if any is wrong or none is found. Floor: all of them.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from audit.errors import ProofError
from audit.merkle import verify_consistency, verify_inclusion


def _raw(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _holds(vector: dict[str, Any]) -> bool:
    proof = [_raw(item) for item in vector["proof"] or ()]
    try:
        if "leafIdx" in vector:
            verify_inclusion(
                _raw(vector["leafHash"]),
                vector["leafIdx"],
                vector["treeSize"],
                proof,
                _raw(vector["root"]),
            )
        else:
            verify_consistency(
                vector["size1"],
                vector["size2"],
                proof,
                _raw(vector["root1"]),
                _raw(vector["root2"]),
            )
    except ProofError:
        return False
    return True


def main(folder: Path) -> int:
    """Print the score of all vectors under `folder`; return the exit status."""
    files = sorted(folder.rglob("*.json"))
    wrong = []
    for path in files:
        vector = json.loads(path.read_text(encoding="utf-8"))
        if _holds(vector) == vector["wantErr"]:
            wrong.append(path)
    for path in wrong:
        print(f"wrong: {path}")
    print(f"{len(files) - len(wrong)}/{len(files)}")
    return 0 if files and not wrong else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/merkle_vectors.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
