"""Contracts written from templates, so that the truth of every field is known.

Five forms (prose, numbered clauses, a form, a table, mixed) in several wordings each, filled with
random parties, days, amounts, periods, law and clauses, among sentences with facts that answer no
field. Some fields are left out of each document; in some, one is stated twice with two values: then
its truth is None, as if it were not stated.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "supplier": {"type": "string", "description": "Who supplies the services or goods?"},
        "customer": {"type": "string", "description": "Who buys the services or goods?"},
        "effective_date": {
            "type": "string",
            "format": "date",
            "description": "The day on which the agreement takes effect",
        },
        "expiry_date": {
            "type": "string",
            "format": "date",
            "description": "The day on which the agreement ends",
        },
        "notice_period_days": {
            "type": "integer",
            "description": "Days of notice that must be given to terminate the agreement",
        },
        "annual_fee": {"type": "number", "description": "The fee for each year"},
        "payment_term": {
            "type": "string",
            "description": "Within how many days must an invoice be paid?",
        },
        "governing_law": {"type": "string", "description": "Which law governs the agreement?"},
        "late_interest": {
            "type": "number",
            "description": "The rate of interest on late payments, in percent",
        },
        "automatic_renewal": {
            "type": "boolean",
            "description": "Does the agreement renew automatically?",
        },
        "subcontracting_allowed": {
            "type": "boolean",
            "description": "May the supplier subcontract?",
        },
        "billing": {
            "enum": ["monthly", "quarterly", "annually"],
            "description": "How often invoices are issued",
        },
    },
}

Sayings = Mapping[str, tuple[str, ...]]
# How a field may be worded; {v} is its value. The two forms of a yes or no are under "+" and "-".
PROSE: Sayings = {
    "supplier+customer": (
        "This Agreement is made on {made} between {s}, a company registered in {land} (the "
        '"Supplier"), and {c}, having its registered office at {place} (the "Customer").',
        'This contract is entered into by and between {s} (hereinafter the "Supplier") and {c} '
        '(hereinafter the "Customer").',
        "PARTIES\n(1) {s} of {place} (the “Supplier”); and\n(2) {c} (the “Customer”).",
        "The Supplier is {s}. The Customer is {c}.",
    ),
    "effective_date": (
        "This Agreement takes effect on {v}.",
        "The effective date of this Agreement is {v}.",
        "It commences on {v} (the “Effective Date”).",
        "This Agreement shall come into force with effect from {v}.",
    ),
    "expiry_date": (
        "It ends on {v} unless terminated earlier.",
        "Subject to earlier termination, this Agreement expires on {v}.",
        "The expiry date is {v}.",
        "It shall continue until {v}, when it shall expire.",
    ),
    "notice_period_days": (
        "Either party may terminate this Agreement by giving not less than {v} written notice to "
        "the other.",
        "The notice period for termination is {v}.",
        "Termination requires prior notice of at least {v} in writing.",
        "The Customer may end this Agreement at any time on {v} notice.",
    ),
    "annual_fee": (
        "The Customer shall pay an annual fee of {v}, exclusive of VAT.",
        "In consideration of the services the Customer pays the Supplier {v} per year (the “Annual "
        "Fee”).",
        "The fee amounts to {v} for each year of the term.",
        "The yearly fee is fixed at {v}.",
    ),
    "payment_term": (
        "Invoices are payable within {v} of receipt.",
        "The Customer shall pay each undisputed invoice within {v} after the invoice date.",
        "Payment of invoices is due {v} from the date of issue.",
    ),
    "governing_law": (
        "This Agreement is governed by the laws of {v}.",
        "This Agreement and any dispute arising out of it shall be governed by and construed in "
        "accordance with the law of {v}.",
        "The governing law is that of {v}.",
        "Governing law. The laws of {v} apply to this Agreement.",
    ),
    "late_interest": (
        "Late payments bear interest at {v} per annum.",
        "If the Customer pays late, the Supplier may charge interest at a rate of {v} a year.",
        "Interest on overdue amounts accrues at {v}.",
    ),
    "automatic_renewal+": (
        "This Agreement renews automatically for successive periods of one year unless either "
        "party objects in writing.",
        "Upon expiry it shall be automatically extended by a further twelve months.",
        "Renewal is automatic.",
    ),
    "automatic_renewal-": (
        "This Agreement does not renew automatically.",
        "There is no automatic renewal.",
        "The term shall not be automatically extended.",
    ),
    "subcontracting_allowed+": (
        "The Supplier may subcontract parts of the services to qualified third parties.",
        "Subcontracting by the Supplier is permitted.",
        "The Supplier is entitled to engage subcontractors.",
    ),
    "subcontracting_allowed-": (
        "The Supplier shall not subcontract any part of the services without the prior written "
        "consent of the Customer.",
        "Subcontracting by the Supplier is prohibited.",
        "The Supplier may not subcontract its obligations.",
    ),
    "billing": (
        "The Supplier issues invoices {v}.",
        "Invoices are issued {v} in arrears.",
        "The Supplier shall invoice the Customer {v}.",
    ),
}
HEADS = {
    "effective_date": "Commencement",
    "expiry_date": "Term",
    "notice_period_days": "Termination",
    "annual_fee": "Fees",
    "payment_term": "Payment",
    "governing_law": "Governing law",
    "late_interest": "Late payment",
    "automatic_renewal": "Renewal",
    "subcontracting_allowed": "Subcontracting",
    "billing": "Invoicing",
}
ENTRIES = {
    "supplier": ("Supplier", "Name of supplier", "Vendor"),
    "customer": ("Customer", "Customer name", "Client"),
    "effective_date": ("Effective date", "Start date", "Commencement date"),
    "expiry_date": ("Expiry date", "End date", "Expiration date"),
    "notice_period_days": ("Notice period", "Termination notice"),
    "annual_fee": ("Annual fee", "Fee per year"),
    "payment_term": ("Payment term", "Payment terms"),
    "governing_law": ("Governing law", "Law"),
    "late_interest": ("Late interest", "Interest on late payment"),
    "automatic_renewal": ("Automatic renewal", "Renews automatically"),
    "subcontracting_allowed": ("Subcontracting allowed", "Subcontracting"),
    "billing": ("Billing", "Invoices"),
}
# Sentences with facts that answer no field.
NOISE = (
    "The parties shall keep confidential information secret for five years after disclosure.",
    "The Supplier maintains professional indemnity insurance of at least EUR 2,000,000.",
    "Notices are deemed received two days after posting.",
    "The Supplier reports security incidents within 72 hours of detection.",
    "The services are provided from the data centre in Frankfurt by at least three engineers.",
    "Records of the services are kept for seven years.",
    "The total liability of each party is limited to 150% of the charges paid in the last year.",
    "Amendments to this Agreement must be made in writing and signed by both parties.",
    "A steering committee meets every month and was set up on 4 April 2019.",
    "Marta Kovacs, Head of Procurement, is the contact for all complaints.",
    "Neither party is liable for failures caused by events beyond its control.",
    "Personal data are deleted no later than 30 days after they are no longer needed.",
    "The Supplier shall remedy defects within ten business days after they have been reported.",
    "If a provision of this Agreement is void, the others remain in force.",
)
COMPANIES = (
    "Northwind Analytics Ltd", "Müller & Söhne GmbH", "Lakeshore Bank plc", "Orion Data Services "
    "Inc.", "Van Dijk Logistics B.V.", "Banca Meridiana S.p.A.", "Helvetia Pharma AG", "Castle & "
    "Stone LLP", "Kestrel Software Limited", "Fjord Energi AS", "St. Anne's Hospital Trust",
    "Riverside Insurance Company", "Quantum Labs SAS", "Baltic Freight Oy",
)  # fmt: skip
LANDS = (
    "England and Wales", "Germany", "the Netherlands", "Ireland", "France", "New York",
    "the State of California", "Switzerland", "Austria", "Scotland",
)  # fmt: skip
PLACES = ("12 High Street, London", "Hauptstrasse 5, Berlin", "1 Quai Wilson, Geneva")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
WORDS = {30: "thirty", 60: "sixty", 90: "ninety", 14: "fourteen", 45: "forty-five", 120: ""}


@dataclass
class Written:
    """A generated document: its text, what each field's value is (None: not stated, or twice
    differently) and under which name."""

    name: str
    text: str
    truth: dict[str, Any] = field(default_factory=dict)


def _day(dice: random.Random, day: date) -> str:
    month = MONTHS[day.month - 1]
    return dice.choice(
        (
            f"{day.day} {month} {day.year}",
            f"{month} {day.day}, {day.year}",
            day.isoformat(),
            f"{day.day}.{day.month}.{day.year}"
            if day.day > 12
            else f"{day.day} {month} {day.year}",
        )
    )


def _days(dice: random.Random, days: int) -> str:
    word = WORDS.get(days, "")
    return dice.choice((f"{days} days", f"{word} ({days}) days" if word else f"{days} days"))


def _money(dice: random.Random, amount: int) -> str:
    million = f"EUR {amount / 1e6:g} million" if amount % 100_000 == 0 else f"EUR {amount:,}"
    return dice.choice((f"EUR {amount:,}", f"€{amount:,}.00", million))


def values(dice: random.Random) -> tuple[dict[str, Any], dict[str, str]]:
    """A truth for every field, and how it is written."""
    supplier, customer = dice.sample(COMPANIES, 2)
    start = date(2015, 1, 1) + timedelta(days=dice.randrange(3650))
    end = start + timedelta(days=dice.randrange(400, 2000))
    notice, pay = dice.sample((14, 30, 45, 60, 90, 120), 2)
    fee = dice.choice((dice.randrange(5, 900) * 1_000, dice.randrange(11, 95) * 100_000))
    rate = dice.choice((1.5, 4, 5.25, 8, 9))
    law = dice.choice(LANDS)
    truth = {
        "supplier": supplier,
        "customer": customer,
        "effective_date": start.isoformat(),
        "expiry_date": end.isoformat(),
        "notice_period_days": notice,
        "annual_fee": fee,
        "payment_term": f"{pay} days",
        "governing_law": law.removeprefix("the "),
        "late_interest": rate,
        "automatic_renewal": dice.random() < 0.5,
        "subcontracting_allowed": dice.random() < 0.5,
        "billing": dice.choice(("monthly", "quarterly", "annually")),
    }
    written = {
        "supplier": supplier,
        "customer": customer,
        "effective_date": _day(dice, start),
        "expiry_date": _day(dice, end),
        "notice_period_days": _days(dice, notice),
        "annual_fee": _money(dice, fee),
        "payment_term": _days(dice, pay),
        "governing_law": law,
        "late_interest": f"{rate:g}%" if dice.random() < 0.6 else f"{rate:g} per cent",
        "billing": str(truth["billing"]),
    }
    return truth, written


def document(dice: random.Random, number: int) -> Written:
    """One document, in one of five forms."""
    form = ("prose", "clauses", "form", "table", "mixed")[number % 5]
    truth, written = values(dice)
    gone = set(dice.sample([*HEADS], dice.randrange(1, 4)))
    twice = dice.choice([*HEADS]) if dice.random() < 0.4 else ""
    twice = "" if twice in gone or twice.endswith(("ing", "allowed", "renewal")) else twice
    others, otherwise = values(random.Random(dice.random()))
    other = otherwise.get(twice, "")
    if twice and others[twice] == truth[twice]:
        twice = ""
    told = [name for name in truth if name not in gone]
    text = {"form": _form, "table": _table}.get(form, _prose)(
        dice, form, told, truth, written, (twice, other)
    )
    stated = {name: truth[name] if name in told and name != twice else None for name in truth}
    return Written(f"contract-{number:03d}.md", text, stated)


def _sentence(dice: random.Random, name: str, truth: Mapping[str, Any], value: str) -> str:
    if isinstance(truth[name], bool):
        return dice.choice(PROSE[name + ("+" if truth[name] else "-")])
    return dice.choice(PROSE[name]).format(v=value)


def _prose(
    dice: random.Random,
    form: str,
    told: list[str],
    truth: Mapping[str, Any],
    written: Mapping[str, str],
    twice: tuple[str, str],
) -> str:
    head = dice.choice(("SERVICES AGREEMENT", "# Framework contract", "Supply agreement"))
    opening = dice.choice(PROSE["supplier+customer"]).format(
        s=written["supplier"],
        c=written["customer"],
        made=_day(dice, date(2014, 3, dice.randrange(1, 28))),
        land=dice.choice(LANDS),
        place=dice.choice(PLACES),
    )
    order = [name for name in told if name in HEADS]
    dice.shuffle(order)
    parts = [head, opening]
    for number, name in enumerate(order, start=1):
        body = _sentence(dice, name, truth, written.get(name, ""))
        noise = dice.choice(NOISE)
        together = f"{body} {noise}" if dice.random() < 0.5 else f"{noise} {body}"
        if form == "clauses":
            parts.append(f"{number}. {HEADS[name]}\n{number}.1 {body}\n{number}.2 {noise}")
        elif form == "mixed" and dice.random() < 0.4 and not isinstance(truth[name], bool):
            parts.append(f"{dice.choice(ENTRIES[name])}: {written[name]}")
        else:
            parts.append(together)
    if twice[0]:
        parts.append("Schedule 1\n\n" + _sentence(dice, twice[0], truth, twice[1]))
    return "\n\n".join(parts) + "\n"


def _pairs(
    dice: random.Random, told: list[str], truth: Mapping[str, Any], written: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    for name in told:
        value = written.get(name) or ("Yes" if truth[name] else "No")
        yield name, dice.choice(ENTRIES[name]), value


def _form(
    dice: random.Random,
    form: str,
    told: list[str],
    truth: Mapping[str, Any],
    written: Mapping[str, str],
    twice: tuple[str, str],
) -> str:
    lines = [f"{entry}: {value}" for _, entry, value in _pairs(dice, told, truth, written)]
    noise = "\n\n".join(dice.sample(NOISE, 3))
    again = f"{ENTRIES[twice[0]][0]}: {twice[1]}\n" if twice[0] else ""
    return "Contract data sheet\n\n" + "\n".join(lines) + f"\n\n{noise}\n\n{again}"


def _table(
    dice: random.Random,
    form: str,
    told: list[str],
    truth: Mapping[str, Any],
    written: Mapping[str, str],
    twice: tuple[str, str],
) -> str:
    rows = [f"| {entry} | {value} |" for _, entry, value in _pairs(dice, told, truth, written)]
    if twice[0]:
        rows.append(f"| {ENTRIES[twice[0]][0]} | {twice[1]} |")
    noise = "\n\n".join(dice.sample(NOISE, 3))
    return (
        "# Summary of terms\n\n| Item | Terms |\n| --- | --- |\n"
        + "\n".join(rows)
        + (f"\n\n{noise}\n")
    )
