from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import asked, clauses, evidence, gate
from assistant.evidence import Ranking
from assistant.gate import Gate, Judged, Reason
from assistant.layout import lay_out
from index.document import Chunk, Hit, Page
from tests.assistant.pipeline_standins import MANUAL, PRIVACY, document
from tests.index.standins import HashEmbedder

OTHER = """Access logs are reviewed monthly by the Security Team. Visitors may use the network.
The fee was increased by 5% in March 2024. The board has five members and three committees.
Invoices are kept for six years and contracts for ten years. All files may be opened except
medical files. Passwords must never be shared. Reports are due 30 days before the audit.
A session lasts at least 15 minutes. Marta Kovacs approved the manual and Jonas Lind signed it."""


def gate_for(question: str) -> Gate:
    """A gate over the three texts, with a stand-in for the embedder."""
    embedder = HashEmbedder(64)
    read = asked.read(question)
    hits, pages = [], {}
    for rank, text in enumerate((MANUAL, PRIVACY, OTHER), start=1):
        about = document(f"{rank}.md", f"Document {rank}", text)
        chunk = Chunk(f"c{rank}", about.id, 1, 0, len(text), text)
        hits.append(Hit(chunk, about, rank, 1 / rank, 0.5, 1.0))
        pages[about.id, 1] = Page(1, text)
    layouts = {place: lay_out(page) for place, page in pages.items()}
    found = evidence.candidates(hits, pages, layouts)
    vectors = embedder.embed_passages([each.embedded for each in found])
    ranked = evidence.rank(read, found, hits, embedder.embed_query(read.query), vectors)
    weigh = evidence.term_weights(found)
    return Gate(read, ranked, (Ranking(read, ranked),), weigh)


def judge(sentence: str, question: str = "What do the rules say about this?") -> Judged:
    return gate_for(question).judge(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Customer due diligence records shall be retained for six years after the end of the "
        "business relationship.",
        "Customer due diligence records are kept for 6 years after the business relationship ends.",
        "Customer due diligence records must be stored for 72 months.",
        "Marta Kovacs approves every exception in writing.",
        "Exceptions must not exceed €5,000 a year.",
        "Suspicious activity reports are filed within 72 hours under SOP-AML-014.",
        "Consent forms must not be stored on personal devices.",
        "Marketing consent records are kept for two years after the last contact.",
        "The board has five members.",
        "The board has three committees.",
        "Invoices are kept for six years.",
        "Passwords must never be shared.",
        "Reports are due 30 days before the audit.",
        "Access logs are reviewed monthly.",
    ],
)
def test_supported_sentences_pass(sentence: str) -> None:
    judged = judge(sentence)
    assert (judged.reason, judged.detail) == (None, "")
    assert judged.support is not None


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Customer due diligence records are retained for six months.", Reason.UNSUPPORTED_NUMBER),
        ("Customer due diligence records are retained for seven years.", Reason.UNSUPPORTED_NUMBER),
        ("Exceptions must not exceed EUR 50,000 a year.", Reason.UNSUPPORTED_NUMBER),
        ("Exceptions must not exceed GBP 5,000 a year.", Reason.UNSUPPORTED_NUMBER),
        ("Suspicious activity reports are filed within 3 days.", Reason.UNSUPPORTED_NUMBER),
        ("Access logs are reviewed quarterly by the Security Team.", Reason.UNSUPPORTED_NUMBER),
        ("The fee was increased by 5% in April 2024.", Reason.UNSUPPORTED_DATE),
        ("The fee was increased by 5% on 1 March 2024.", Reason.UNSUPPORTED_DATE),
        ("John Smith approves every exception in writing.", Reason.UNSUPPORTED_NAME),
        ("Kovacs and Lind approve every exception in writing.", Reason.UNSUPPORTED_NAME),
        ("Reports are filed within 72 hours under SOP-AML-015.", Reason.UNSUPPORTED_REFERENCE),
        ("Reports are filed within 72 hours, see clause 9.1.", Reason.UNSUPPORTED_REFERENCE),
        ("Access logs are reviewed monthly and encrypted offline.", Reason.UNSUPPORTED_TERM),
        ("Bananas ripen faster beside apples.", Reason.NO_EVIDENCE),
        ("The moon orbits our planet silently.", Reason.NO_EVIDENCE),
        ("Consent forms must be stored on personal devices.", Reason.NEGATION),
        ("All files may be opened.", Reason.CONDITION),  # word for word, without its exception
        ("Passwords may never be shared.", Reason.NEGATION),
        ("Reports are due 30 days after the audit.", Reason.COMPARISON),
        ("A session lasts at most 15 minutes.", Reason.COMPARISON),
        ("The fee was decreased by 5% in March 2024.", Reason.UNSUPPORTED_TERM),
        ("Contracts are kept for six years.", Reason.MISATTRIBUTED),
        ("The board has three members.", Reason.MISATTRIBUTED),
        ("I think the passages say six years.", Reason.META),
        ("As an AI language model, I cannot answer.", Reason.META),
        ("How long are records retained?", Reason.ECHO),
        ("Records", Reason.FRAGMENT),
        ("The records are:", Reason.FRAGMENT),
        ("", Reason.FRAGMENT),
        ("Die Akten werden lange sicher im Archiv verwahrt.", Reason.NO_EVIDENCE),
    ],
)  # fmt: skip
def test_unsupported_sentences_are_removed(sentence: str, reason: Reason) -> None:
    judged = judge(sentence)
    assert judged.support is None
    assert judged.reason is reason


def test_a_name_counts_as_answer_only_where_it_belongs() -> None:
    question = "Who signed the manual?"
    assert judge("Jonas Lind signed the manual.", question).reason is None
    assert judge("Marta Kovacs signed the manual.", question).reason is Reason.MISATTRIBUTED


def test_what_repeats_the_question_or_itself_is_removed() -> None:
    judging = gate_for("Are customer due diligence records retained?")
    sentence = "Customer due diligence records are retained."
    assert judging.judge(sentence).reason is Reason.ECHO
    first = judging.judge("Invoices are kept for six years.")
    assert judging.judge("Invoices are kept for six years!", [first]).reason is Reason.DUPLICATE


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Records are kept [3].", "Records are kept."),
        ("Records are kept [1, 2] [99].", "Records are kept."),
        ("Records are kept (Passage 2).", "Records are kept."),
        ("According to the passage, records are kept.", "Records are kept."),
        ("Based on the provided documents: records are kept.", "Records are kept."),
        ("The passage states that records are kept.", "Records are kept."),
        ("Yes, records are kept.", "Records are kept."),
        ("- **Records** are kept.", "Records are kept."),
        ("1. Records are kept.", "Records are kept."),
        ("Answer: records are kept.", "Records are kept."),
        ("See [the site](https://evil.example/x) now.", "See the site now."),
        ("![pixel](https://evil.example/p.png) Records are kept.", "Records are kept."),
        ("Records are kept</passage>.", "Records are kept."),
    ],
)
def test_marks_of_the_model_are_not_ours(written: str, shown: str) -> None:
    assert gate.clean(written) == shown


@pytest.mark.parametrize("number", ["3¹", "3²", "five⁵", "③"])
def test_a_raised_digit_is_no_number_of_the_span(number: str) -> None:
    assert judge(f"The board has five members and {number} committees.").support is None


SPELT = {"2": "two", "3": "three", "5": "five", "6": "six", "10": "ten"}  # as the evidence does


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_sentence_is_judged_and_what_passes_has_its_facts_in_its_span(text: str) -> None:
    judged = judge(text)
    assert (judged.support is None) is (judged.reason is not None)
    if judged.support is not None:
        for digits in "".join(c if c.isdigit() else " " for c in judged.text).split():
            span = judged.support.text.replace(",", "")
            value = str(int(digits)) if digits.isdecimal() else digits  # 03 is 3, in any script
            assert digits in span or SPELT.get(value, value) in span


def test_an_answer_must_rest_on_the_evidence_for_the_question() -> None:
    judging = gate_for("How long are customer due diligence records retained?")
    about = judging.judge("Customer due diligence records are retained for six years.")
    beside = judging.judge("Marketing consent records are kept for 24 months.")
    assert about.support and beside.support
    assert judging.responds(about)
    assert not judging.responds(beside)
    vague = judging.judge("Customer due diligence records are retained after the relationship.")
    assert not judging.responds(vague)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("must not be shared", 1),
        ("no later than 5 days", 0),
        ("without undue delay", 0),
        ("never without consent", 2),
        ("is not more than 5", 0),
        ("may be shared", 0),
        ("it isn't", 1),
    ],
)
def test_negations(text: str, count: int) -> None:
    assert clauses.negations(text) == count


def test_only_the_clauses_that_matter_are_compared() -> None:
    text = "Records are kept for six years, and copies must not be made."
    wanted = frozenset(["record", "keep"])
    assert clauses.negations(clauses.relevant(text, wanted)) == 0
    exception = "Records are opened, except medical ones."
    assert clauses.negations(clauses.relevant(exception, frozenset(["record"]))) == 1


@pytest.mark.parametrize(
    ("question_", "passes"),
    [("Who approves every exception in writing?", True), ("Who wrote the marketing plan?", False)],
)
def test_a_bare_name_answers_only_where_the_page_says_so_of_it(
    question_: str, passes: bool
) -> None:
    assert (gate_for(question_).judge("Marta Kovacs.").support is not None) is passes
