"""Privacy policies, one collection each: the right paragraph within the scope of a question.

    python benchmarks/policyqa.py POLICYQA.json SET [--home HOME] [--every N] [--merged]

POLICYQA.json is a split of PolicyQA in SQuAD's form: policies, their paragraphs, and questions on
each paragraph. SET is a folder that gets the set for `cloister eval retrieval`: a folder of records
for each policy, which becomes a collection, and every question with its own policy as its scope.
What is searched are the paragraphs of that policy; a right one is that on which the question was
written. With --merged the paragraphs of all questions of a policy that read the same are right for
each of them, and it is asked once.

Asked are the first of every N questions, with the fused configuration beside our own words alone
(BM25) and vectors alone in the same run. Prints one JSON object; ends with 1 if recall@10 is not at
least 1.10 times that of words alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLOOR = 1.10  # recall@10 over that of words alone
MEASURES = ("recall@10", "recall@5", "mrr@10", "success@10")


def collection_of(policy: dict[str, Any]) -> str:
    """A policy's title as the name of a collection."""
    return re.sub(r"[^a-z0-9]+", "-", policy["title"].lower()).strip("-")


def questions_of(data: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Question id, its text, its policy and the id of its paragraph. Equal paragraphs of a policy
    are one."""
    for policy in data["data"]:
        first: dict[str, str] = {}
        for number, paragraph in enumerate(policy["paragraphs"]):
            text = " ".join(paragraph["context"].split())
            held = first.setdefault(text, f"{collection_of(policy)}-{number}")
            for each in paragraph["qas"]:
                yield each["id"], each["question"], collection_of(policy), held


def write_records(data: dict[str, Any], documents: Path) -> int:
    """A folder with the paragraphs of each policy as records; how many there are."""
    count = 0
    for policy in data["data"]:
        title, name = policy["title"], collection_of(policy)
        texts = [" ".join(each["context"].split()) for each in policy["paragraphs"]]
        records = {text: number for number, text in reversed(list(enumerate(texts)))}
        lines = [
            json.dumps({"_id": f"{name}-{number}", "title": title, "text": text}) + "\n"
            for text, number in sorted(records.items(), key=lambda item: item[1])
        ]
        (documents / name).mkdir(parents=True, exist_ok=True)
        (documents / name / "paragraphs.jsonl").write_text("".join(lines), encoding="utf-8")
        count += len(lines)
    return count


def write_set(data: dict[str, Any], folder: Path, every: int, merged: bool) -> dict[str, int]:
    """The set in `folder`, in the place of an earlier one; counts."""
    asked: dict[str, tuple[str, str]] = {}  # id -> text, policy
    gold: dict[str, dict[str, None]] = {}
    named: dict[tuple[str, str], str] = {}
    for id_, text, policy, paragraph in questions_of(data):
        key = named.setdefault((policy, text.strip().lower()), id_) if merged else id_
        asked.setdefault(key, (text, policy))
        gold.setdefault(key, {})[f"{policy}/{paragraph}"] = None
    chosen = list(asked)[::every]
    paragraphs = write_records(data, folder / "documents")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        for key in chosen:
            text, policy = asked[key]
            file.write(json.dumps({"_id": key, "text": text, "scope": [policy]}) + "\n")
    (folder / "qrels").mkdir(exist_ok=True)
    with (folder / "qrels" / "dev.tsv").open("w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for key in chosen:
            file.writelines(f"{key}\t{each}\t1\n" for each in gold[key])
    return {"policies": len(data["data"]), "paragraphs": paragraphs, "questions": len(chosen)}


def evaluate(home: Path, folder: Path, report: Path | None) -> dict[str, dict[str, Any]]:
    """What the command says of each configuration."""
    command = [sys.executable, "-m", "ui.main", "--home", str(home), "eval", "retrieval"]
    command += [str(folder), "--compare", "words,vectors,fused", "--json"]
    command += ["--floor", "recall@5=0"]  # so that it is told
    if report is not None:
        command += ["--report", str(report)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["configuration"]: line for line in lines}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("set", type=Path)
    parser.add_argument("--home", type=Path, help="keep the index below this data folder")
    parser.add_argument("--every", type=int, default=1, help="ask one of so many questions")
    parser.add_argument("--merged", action="store_true", help="equal questions once")
    parser.add_argument("--report", type=Path, help="write the report there")
    options = parser.parse_args()
    options.set.mkdir(parents=True, exist_ok=True)
    data = json.loads(options.data.read_text(encoding="utf-8"))
    result: dict[str, Any] = dict(write_set(data, options.set, options.every, options.merged))
    with tempfile.TemporaryDirectory(prefix="policyqa-") as scratch:
        found = evaluate(options.home or Path(scratch), options.set, options.report)
    for name, line in found.items():
        result[name] = {measure: line[measure] for measure in MEASURES}
        result[name]["latency_p95_ms"] = line["latency_p95_ms"]
    words = found["words"]["recall@10"]
    result["ratio"] = round(found["fused"]["recall@10"] / words, 3) if words else 0.0
    result["difference"] = found["fused"]["differences"]["recall@10"]
    print(json.dumps(result, indent=2))
    return int(result["ratio"] < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
