"""Why a sentence of the model was not shown: one code for each rule of the gate."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a sentence of the model was not shown."""

    UNSUPPORTED_NUMBER = "UNSUPPORTED_NUMBER"
    UNSUPPORTED_DATE = "UNSUPPORTED_DATE"
    UNSUPPORTED_NAME = "UNSUPPORTED_NAME"
    UNSUPPORTED_REFERENCE = "UNSUPPORTED_REFERENCE"  # an identifier, clause or address
    UNSUPPORTED_TERM = "UNSUPPORTED_TERM"  # words that the span does not hold
    NO_EVIDENCE = "NO_EVIDENCE"  # no span is about this at all
    NEGATION = "NEGATION"  # negated where the span is not, or the other way round
    OBLIGATION = "OBLIGATION"  # "must" for "may"
    COMPARISON = "COMPARISON"  # "at least" for "at most", "before" for "after"
    QUANTITY = "QUANTITY"  # "all" for "some", "only" left out
    CONDITION = "CONDITION"  # a condition or exception of the span left out or put in
    ROLES = "ROLES"  # who does it and to whom it is done are not as the span has them
    CONTRADICTION = "CONTRADICTION"  # the span has the opposite word
    MISATTRIBUTED = "MISATTRIBUTED"  # the span gives the value for something else
    META = "META"  # about itself, the passages or the task
    ECHO = "ECHO"  # repeats the question
    FRAGMENT = "FRAGMENT"  # no sentence
    DUPLICATE = "DUPLICATE"  # said already
    UNRESPONSIVE = "UNRESPONSIVE"  # supported, but no answer to this question
    DOUBTED = "DOUBTED"  # the second, model-based opinion is against it
