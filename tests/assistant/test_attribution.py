"""Each value belongs to what its evidence gives it for, however close the other values stand."""

from __future__ import annotations

import pytest

from assistant import clauses, facts

LEASE = "The landlord is Harrow Estates Ltd and the tenant is Bluebird Analytics."
WAIT = "Patients wait 24 hours; healthy volunteers wait 48 hours."
FEES = "EUR 600 for a site visit, EUR 250 for a telephone call."


def wrong(sentence: str, evidence: str) -> bool:
    stated, given = facts.extract(sentence), facts.extract(evidence)
    assert stated
    return any(clauses.misattributed(sentence, fact, stated, evidence, given) for fact in stated)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The tenant is Harrow Estates Ltd.", LEASE),
        ("The landlord is Bluebird Analytics.", LEASE),
        ("Patients wait 48 hours.", WAIT),
        ("Healthy volunteers wait 24 hours.", WAIT),
        ("A telephone call is EUR 600.", FEES),
        ("A site visit is EUR 250.", FEES),
    ],
)
def test_a_value_given_for_something_else_is_found(sentence: str, evidence: str) -> None:
    assert wrong(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The tenant is Bluebird Analytics.", LEASE),
        ("The landlord is Harrow Estates Ltd.", LEASE),
        ("Patients wait 24 hours.", WAIT),
        ("Healthy volunteers wait 48 hours.", WAIT),
        ("A telephone call is EUR 250.", FEES),
        ("A site visit is EUR 600.", FEES),
    ],
)
def test_a_value_given_for_the_same_passes(sentence: str, evidence: str) -> None:
    assert not wrong(sentence, evidence)
