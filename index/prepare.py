"""Prepares the embedder for ONNX Runtime, at set-up and without network: `python -m index.prepare`.

Two graphs are written from the pinned weights and compared with PyTorch on texts that stand here
and in `index.embed_probe`. That in full precision is let in only if every vector is the same but
for rounding; that with integer products only if no vector is far off and nearly the same passages
are found. A graph that is not let in is removed. Then all are timed, and what new data folders get
is chosen (`index.embed_choice`). What was prepared lies beside the installed packages, one folder
for each fingerprint, with notes of digests and of the choice; a second run does nothing, unless
ONNX Runtime or what is demanded of a graph has changed or `--again` is given.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from index.blobs import sha256_of
from index.embed import SentenceTransformerEmbedder
from index.embed_choice import QUANTIZED, Backend, Choice, choose
from index.embed_folder import ModelFolder
from index.embed_onnx import OnnxEmbedder, batches, open_session, padded
from index.embed_probe import CALIBRATION, PASSAGES, QUESTIONS, overlap
from index.ports import Embedder
from index.quantize import Ranges, ranges
from index.records import Vectors

SAME = 0.9999
"""The least cosine between a text's two vectors for them to count as the same."""
NEAR = 0.99
"""The least cosine that a text's vector from integer products may have to PyTorch's."""
FOUND = 0.95
"""The least overlap (`index.embed_probe`) of what integer products find with what PyTorch finds.
Integer products of everything, with ranges measured per call, reach .92 on the default model and
lose 0.65 % of recall (and a cosine of .982); what is written here reaches .965 (.997)."""

_FILES = {"onnx": ("model.onnx", "prepared.json"), "int8": ("int8.onnx", "int8.json")}
_CHOICE = "choice.json"
_TIMED, _ROUNDS = 4, 3  # every fourth passage, this often
_SENTENCES = (
    "Records of every transfer are kept for at least six years after the account is closed.",
    "Total net sales  $ 81,797  $ 82,959  $ 293,787  $ 304,182",
    "§ 164.312(b) Audit controls.",
    "Wie lange werden die Unterlagen aufbewahrt? Die Frist beträgt zehn Jahre.",
    "x",
    "",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph that was let in, and its hex SHA-256."""

    graph: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like PyTorch a graph is: the least cosine of a text's two vectors, and the overlap."""

    cosine: float
    overlap: float

    @property
    def suffices(self) -> bool:
        """Whether the graph may be let in; not so if a figure is no number."""
        return self.cosine >= NEAR and self.overlap >= FOUND


def place(fingerprint: str) -> Path:
    """Where the graphs for an embedder lie."""
    return Path(sys.prefix) / "share" / "cloister" / "embedders" / fingerprint.replace(":", "-")


def prepared(fingerprint: str, backend: str = "onnx") -> Prepared | None:
    """What was prepared for an embedder and a backend (`onnx`, `int8`), None if nothing was."""
    graph, name = _FILES[backend]
    note = _note(fingerprint, name)
    return Prepared(place(fingerprint) / graph, str(note.get("digest", ""))) if note else None


def choice(fingerprint: str) -> Choice:
    """What set-up chose for an embedder; what is prepared in full precision if it did not."""
    known: dict[object, Backend] = {"torch": "torch"}  # what may be chosen: no graph that has gone
    if prepared(fingerprint, "onnx") is not None:
        known["onnx"] = "onnx"
    if prepared(fingerprint, "int8") is not None:
        known["int8"] = "int8"
    default = known.get("onnx", "torch")
    note = _note(fingerprint, _CHOICE)
    return Choice(
        known.get(note.get("plain"), default),
        known.get(note.get("new"), default),
        str(note.get("why", "")),
    )


def texts() -> list[str]:
    """What both are compared on: all lengths up to beyond the model's window."""
    whole = " ".join(_SENTENCES)
    return [*_SENTENCES, *(" ".join([whole] * count) for count in (1, 2, 4, 12))]


def agreement(one: Vectors, other: Vectors) -> float:
    """The least cosine between corresponding rows."""
    return float((one * other).sum(axis=1).min())


def likeness(one: Embedder, other: Embedder) -> Likeness:
    """Compare two embedders on texts of all lengths and by what they find.

    The empty text is left out: its two tokens say nothing, and nothing is found by it.
    """
    some = [text for text in texts() if text]
    mine, theirs = (
        [each.embed_passages(part) for part in (PASSAGES, QUESTIONS, some)] for each in (one, other)
    )
    cosine = min(agreement(a, b) for a, b in zip(mine, theirs, strict=True))
    return Likeness(cosine, overlap((mine[0], mine[1]), (theirs[0], theirs[1])))


def prepare(files: ModelFolder, reference: SentenceTransformerEmbedder) -> float | None:
    """Prepare the model in full precision; the agreement reached, or None if not let in.

    Raises MissingModel, AlteredModel, OSError.
    """
    with _scratch(files) as scratch:
        graph = Path(scratch) / "graph"
        reference.export(graph)
        probe = texts()
        ours = OnnxEmbedder(files, graph, sha256_of(graph))
        reached = min(
            agreement(ours.embed_passages(probe), reference.embed_passages(probe)),
            float(ours.embed_query(probe[0]) @ reference.embed_query(probe[0])),
        )
        if not np.isfinite(reached) or reached < SAME:
            _forget(files.fingerprint, "onnx")
            return None
        _keep(files.fingerprint, "onnx", graph, {"agreement": round(reached, 6)})
    return reached


def prepare_quantized(files: ModelFolder, reference: Embedder) -> Likeness | None:
    """Prepare the model with integer products; None if it is of a kind that is not known here.

    The graph was let in if what is returned `suffices`. Raises MissingModel, AlteredModel, OSError.
    """
    from index import embed_graph  # onnx is needed at set-up only

    if not embed_graph.is_known(files):
        _forget(files.fingerprint, "int8")
        return None
    with _scratch(files) as scratch:
        measuring, graph = Path(scratch) / "measuring", Path(scratch) / "graph"
        embed_graph.write_measuring(files, measuring)
        embed_graph.write_quantized(files, measured(files, measuring), graph)
        reached = likeness(
            OnnxEmbedder(files, graph, sha256_of(graph), variant=QUANTIZED), reference
        )
        if reached.suffices:
            _keep(files.fingerprint, "int8", graph, asdict(reached))
        else:
            _forget(files.fingerprint, "int8")
    return reached


def measured(files: ModelFolder, graph: Path) -> dict[tuple[int, str], Ranges]:
    """The ranges of every site's values on the calibration texts, from the measuring graph."""
    from index import embed_graph

    session = open_session(graph, len(os.sched_getaffinity(0)))
    sites = embed_graph.sites(files)
    names = [f"{name}{layer}" for layer, name in sites]
    ids = files.token_ids(CALIBRATION)
    found: dict[tuple[int, str], Ranges] = {}
    for part in batches([len(each) for each in ids]):
        inputs = padded([ids[at] for at in part])
        kept = inputs["attention_mask"].astype(bool)
        for site, values in zip(sites, session.run(names, inputs), strict=True):
            seen = ranges(values[kept])
            found[site] = found[site].joined(seen) if site in found else seen
    return found


def rates(embedders: Mapping[str, Embedder], probe: Sequence[str]) -> dict[str, float]:
    """Texts a second of each, the best of some rounds taken in turns."""
    best = dict.fromkeys(embedders, float("inf"))
    for each in embedders.values():
        each.embed_passages(probe[:4])  # loads it
    for _ in range(_ROUNDS):
        for name, each in embedders.items():
            started = time.perf_counter()
            each.embed_passages(probe)
            best[name] = min(best[name], time.perf_counter() - started)
    return {name: len(probe) / seconds for name, seconds in best.items()}


def main(arguments: Sequence[str] = ()) -> int:
    """Entry point: the default embedder, or that of the home in CLOISTER_HOME."""
    from index.compose import embedder_files
    from index.settings import IndexSettings

    home = Path(os.environ.get("CLOISTER_HOME", "."))
    files = embedder_files(home, IndexSettings.load(home))
    made_by = f"onnxruntime {metadata.version('onnxruntime')}, {QUANTIZED}, {NEAR}, {FOUND}"
    note = _note(files.fingerprint, _CHOICE)
    again = "--again" in arguments or note.get("made_by", made_by) != made_by
    if again or not note:
        reference = SentenceTransformerEmbedder(
            files.path, files.pins, device="cpu", name=files.name
        )
        if again or prepared(files.fingerprint) is None:
            prepare(files, reference)
        reached = prepare_quantized(files, reference)
        speeds = rates({"torch": reference, **_let_in(files)}, PASSAGES[::_TIMED])
        chosen = choose(speeds)
        note = {
            "fingerprint": files.fingerprint,
            "made_by": made_by,
            "plain": chosen.plain,
            "new": chosen.new,
            "why": f"{chosen.why}; {_told(reached)}",
            "texts_a_second": {name: round(rate, 1) for name, rate in speeds.items()},
        }
        _write(place(files.fingerprint) / _CHOICE, note)
    print(f"  embedder: {files.name} by {note['new']} ({note['why']})")
    return 0


def _let_in(files: ModelFolder) -> dict[str, Embedder]:
    found = {name: prepared(files.fingerprint, name) for name in _FILES}
    return {
        name: OnnxEmbedder(files, each.graph, each.digest)
        for name, each in found.items()
        if each is not None
    }


def _told(reached: Likeness | None) -> str:
    if reached is None:
        return "int8 is not known for this kind of model"
    return (
        f"int8 {'keeps' if reached.suffices else 'does not keep'} the quality: of PyTorch's first "
        f"ten {reached.overlap:.1%} (least {FOUND:.0%}), cosine {reached.cosine:.4f} "
        f"(least {NEAR})"
    )


def _note(fingerprint: str, name: str) -> dict[str, Any]:
    try:
        note = json.loads((place(fingerprint) / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) and note.get("fingerprint") == fingerprint else {}


def _scratch(files: ModelFolder) -> tempfile.TemporaryDirectory[str]:
    parent = place(files.fingerprint).parent  # of the same disk, so that a graph can be moved
    parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=parent)


def _keep(fingerprint: str, backend: str, graph: Path, facts: Mapping[str, Any]) -> None:
    name, note = _FILES[backend]
    digest = sha256_of(graph)
    _forget(fingerprint, backend)  # until the new graph is whole there is none
    place(fingerprint).mkdir(exist_ok=True)
    graph.replace(place(fingerprint) / name)
    facts = {"fingerprint": fingerprint, "digest": digest, **facts}
    _write(place(fingerprint) / note, facts)


def _forget(fingerprint: str, backend: str) -> None:
    graph, note = _FILES[backend]
    (place(fingerprint) / note).unlink(missing_ok=True)
    (place(fingerprint) / graph).unlink(missing_ok=True)


def _write(path: Path, facts: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    written.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
