"""Small sets of questions with known answers in each form, for the tests of their evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.assistant.pipeline_standins import MANUAL, PRIVACY

SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Shop_Policy",
            "paragraphs": [
                {
                    "context": "We keep call recordings for 13 months.",
                    "qas": [
                        {
                            "id": "s1",
                            "question": "How long are recordings kept?",
                            "answers": [{"text": "13 months", "answer_start": 29}],
                        },
                        {
                            "id": "s2",
                            "question": "Who wrote this?",
                            "answers": [],
                            "is_impossible": True,
                        },
                    ],
                },
                {"context": "We do not sell data.", "qas": []},
                {"context": "You may write to us.", "qas": []},
                {
                    "context": "Recordings of visitors go after 90 days.",
                    "qas": [
                        {
                            "id": "s3",
                            "question": "How long are recordings kept?",
                            "answers": [{"text": "90 days", "answer_start": 32}],
                        }
                    ],
                },
            ],
        }
    ],
}
CLAPNQ = [
    {
        "id": "c1",
        "input": "how long are records retained",
        "passages": [{"title": "AML manual", "text": MANUAL, "sentences": []}],
        "output": [
            {
                "answer": "They are retained for six years after the relationship ends.",
                "selected_sentences": [
                    "Customer due diligence records shall be retained for six (6) years after the "
                    "end of\nthe business relationship."
                ],
            }
        ],
    },
    {
        "id": "c2",
        "input": "who founded the bank",
        "passages": [{"title": "Privacy", "text": PRIVACY, "sentences": []}],
        "output": [{"answer": "", "selected_sentences": []}],
    },
]
TATQA = [
    {
        "table": {
            "uid": "t-1",
            "table": [["", "2019", "2018"], ["Sales <net>", "$ 1,496.5", "(12.5)"]],
        },
        "paragraphs": [
            {"uid": "p2", "order": 2, "text": "Second."},
            {"uid": "p1", "order": 1, "text": "Amounts in millions & more."},
        ],
        "questions": [
            {
                "uid": "q1",
                "question": "What were sales in 2019?",
                "answer": ["$ 1,496.5"],
                "answer_type": "span",
                "scale": "million",
            },
            {
                "uid": "q2",
                "question": "What were sales in 2019 and 2018?",
                "answer": ["$ 1,496.5", "(12.5)"],
                "answer_type": "multi-span",
                "scale": "million",
            },
            {
                "uid": "q3",
                "question": "What is the change?",
                "answer": 5,
                "answer_type": "arithmetic",
                "scale": "",
            },
        ],
    }
]
CSV = """id;Question;Expected answer;Document;Page
a;How long are due diligence records retained?;six years;aml-manual.md;1
a;How long are due diligence records retained?;6 years;copies/aml-manual.md;
b;What may exceptions cost a year?;EUR 5,000;aml-manual.md;1
c;Who founded the bank?;;;
"""


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


def csv_set(folder: Path) -> Path:
    """The table above beside its documents."""
    (folder / "documents").mkdir(parents=True)
    (folder / "documents" / "aml-manual.md").write_text(MANUAL)
    (folder / "documents" / "privacy.md").write_text(PRIVACY)
    (folder / "questions.csv").write_text(CSV)
    return folder
