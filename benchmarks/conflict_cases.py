"""Statements of policies on one subject, in several wordings, to make pairs of documents from.

Each subject has a question, what it is about and another thing that is not the same, two wordings
with `{what}` and `{value}`, and values: one, the same written otherwise, another that contradicts,
and a least or most with a value that it allows ("-" where the wordings hold a bound already).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject. `bounded` is a bound that the value `allowed` satisfies, or empty."""

    question: str
    what: str
    other: str
    wordings: tuple[str, str]
    value: str
    same: str
    different: str
    bounded: str
    allowed: str


_LINES = """
How long are call recordings kept? | Call recordings | Visitor photographs | {what} are kept for {value}. | {what} shall be retained for a period of {value} and then destroyed. | six months | 6 months | twelve months | at least six months | twelve months
How long must loan files be stored? | Loan files | Tender documents | {what} must be stored for {value} after repayment. | After repayment, {what} are archived for {value}. | ten years | 10 (ten) years | seven years | at least seven years | ten years
How long are CCTV images retained? | CCTV images | Access badges | {what} are retained for {value}. | The security team keeps {what} for {value}. | 72 hours | seventy-two hours | 30 days | no more than 30 days | 14 days
Within what time must a data breach be reported? | A data breach | A lost laptop | {what} must be reported within {value}. | {what} is to be notified to the authority no later than {value} after discovery. | 72 hours | seventy-two (72) hours | 24 hours | - | -
How much notice must an employee give? | An employee | A supplier | {what} must give {value} of notice. | The notice that {what} has to give is {value}. | three months | 3 months | four weeks | at least four weeks | three months
How long is the probation period? | The probation period | The parental leave | {what} is {value}. | {what} lasts {value} from the first day of work. | six months | 6 months | three months | at most six months | three months
What is the limit for a cash payment? | A cash payment | A card payment | The limit for {what} is {value}. | {what} may not exceed the limit of {value}. | EUR 1,000 | 1,000 euros | EUR 500 | - | -
Up to what amount may a branch manager approve a loan? | A branch manager | A regional director | {what} may approve a loan up to {value}. | Any loan that {what} approves must not exceed {value}. | EUR 50,000 | € 50,000 | EUR 75,000 | - | -
What is the fee for a duplicate statement? | A duplicate statement | A replacement card | The fee for {what} is {value}. | {what} costs a fee of {value}. | GBP 5 | £5 | GBP 8 | at most GBP 8 | GBP 5
What is the daily allowance for meals? | The daily allowance for meals | The daily allowance for parking | {what} is {value}. | {what} amounts to {value} per day of travel. | EUR 40 | 40 euros | EUR 55 | up to EUR 55 | EUR 40
What share of invoices must be checked? | Invoices | Timesheets | Of all {what}, {value} must be checked. | {value} of the {what} are checked by a second person. | 10 % | ten percent | 25 % | at least 10 % | 25 %
What is the interest rate on arrears? | The interest rate on arrears | The interest rate on deposits | {what} is {value}. | {what} was set at {value}. | 9 % | nine per cent | 5 % | at least 5 % | 9 %
How often are access rights reviewed? | Access rights | Fire doors | {what} are reviewed {value}. | A review of {what} takes place {value}. | quarterly | every quarter | yearly | - | -
How often is the backup tested? | The backup | The sprinkler | {what} is tested {value}. | A test of {what} is done {value}. | monthly | once a month | twice a year | - | -
At what temperature are vaccines stored? | Vaccines | Reagents | {what} are stored at {value}. | Keep {what} at a temperature of {value}. | 5 °C | 5 °C | 12 °C | at most 12 °C | 5 °C
What dose of morphine is given at first? | Morphine | Ketamine | At first, {value} of {what} is given. | The first dose of {what} is {value}. | 5 mg | 5 mg | 10 mg | at most 10 mg | 5 mg
How long is the quarantine for norovirus? | The quarantine for norovirus | The quarantine for scabies | {what} lasts {value}. | {what} ends after {value} without symptoms. | 48 hours | forty-eight hours | 5 days | at least 48 hours | 5 days
Within how many days must a complaint be answered? | A complaint | A press enquiry | {what} must be answered within {value}. | The answer to {what} is due within {value}. | 15 business days | fifteen business days | 40 business days | - | -
How many members does the ethics committee have? | The ethics committee | The works council | {what} has {value} members. | {what} consists of {value} members. | seven | 7 | nine | at least seven | nine
When does the remote work policy take effect? | The remote work policy | The dress code | {what} takes effect on {value}. | {what} applies from {value}. | 1 March 2025 | 2025-03-01 | 1 June 2025 | - | -
Until what time can urgent payments be submitted? | Urgent payments | Cheques | {what} can be submitted until {value}. | The cut-off time until which {what} are accepted is {value}. | 16:30 | 4:30 pm | 14:00 | - | -
How long is the warranty for pumps? | The warranty for pumps | The warranty for gaskets | {what} runs for {value}. | The supplier gives {what} for {value}. | two years | 24 months | three years | at least two years | three years
What is the maximum weight of a parcel? | A parcel | A pallet | The maximum weight of {what} is {value}. | {what} may weigh no more than the maximum of {value}. | 20 kg | 20 kg | 30 kg | - | -
What penalty is due for late delivery? | The penalty for late delivery | The penalty for early exit | {what} is {value} of the price. | {what} amounts to {value} of the contract price. | 5 % | five percent | 2 % | at least 2 % | 5 %
"""  # noqa: E501

FILLERS = (
    "This document is reviewed by the responsible department and kept in the register.",
    "Questions are answered by the department that is named on the first page.",
    "All staff must know these rules and follow them in their daily work.",
    "Deviations are documented and reported to the next level of management.",
)
PLACES = (("In Germany", "In France"), ("In the United Kingdom", "In Ireland"))
YEARS = (("In 2021", "In 2023"), ("In 2022", "In 2024"))
CONDITIONS = ("If a court has ordered it,", "Where the regulator has asked for it,")


def subjects() -> tuple[Subject, ...]:
    """The subjects, in order."""
    made = []
    for line in _LINES.strip().splitlines():
        question, what, other, one, two, *values = (part.strip(" -") for part in line.split(" | "))
        made.append(Subject(question, what, other, (one, two), *values))
    return tuple(made)
