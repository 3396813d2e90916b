"""The questions that an empty chat offers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

# The questions that `make demo` asks, each with the sample documents that it needs: offered only if
# these were ingested. The second needs two documents, the third is answered by none.
SAMPLES = (
    (
        "What is the shortest time a healthy volunteer must have between receiving the "
        "information and signing the consent form?",
        ("sop-informed-consent.pdf",),
    ),
    (
        "How long did the failover to Antwerp take in the exercise of November 2025, and why did "
        "it not start by itself in April 2026?",
        ("business-continuity-plan.pdf", "board-minutes-2026-06-18.pdf"),
    ),
    (
        "What is Maren Oldacre's annual salary as Group Chief Executive?",
        ("board-minutes-2026-06-18.pdf",),
    ),
)
HINTS = (
    "What does the policy say about …?",
    "How long must … be kept?",
    "Who has to approve …?",
)


def offered(configured: Sequence[str], sources: Collection[str]) -> list[str]:
    """The configured questions; else those that the sample documents answer; else hints.

    `sources` are the sources of the documents that the reader may ask about.
    """
    if configured:
        return list(configured)
    names = {source.rsplit("/", 1)[-1] for source in sources}
    samples = [question for question, needed in SAMPLES if names.issuperset(needed)]
    return samples or list(HINTS)
