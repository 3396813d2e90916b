"""Sets of documents in which it is known which ones hold a clause: for `benchmarks/sweep.py`.

The documents are made of paragraphs of real privacy policies, drawn anew for each, from which all
paragraphs that touch a topic by themselves are left out. Into some of them a clause is planted, in
one of several wordings that share few words; into others a near miss, a sentence that has the
topic's words and says something else; the rest get nothing. Topics are such as privacy policies do
not have. Some topics (`fitted`) were looked at when the limits and rules of
`assistant.sweep_verdict` were chosen; the figures that count are those of the others.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Topic:
    """A question to all documents, sentences that answer it, and sentences that only seem to.

    `values` are the values in `held`, for a question that asks for one. `touching` finds
    paragraphs that may hold the topic already.
    """

    name: str
    question: str
    held: tuple[str, ...]
    missed: tuple[str, ...]
    touching: str
    values: tuple[str, ...] = ()
    fitted: bool = True


TOPICS = (
    Topic(
        "change of control",
        "Which of these contracts have a change-of-control clause?",
        (
            "If a Change of Control of the Supplier occurs, the Customer may terminate this "
            "Agreement by thirty days' written notice.",
            "Upon any change in control of either party, including the sale of substantially all "
            "of its assets, the other party may end the arrangement.",
            "A change of control, that is, the passing of more than half of the voting shares to "
            "another holder, entitles the licensor to withdraw the licence.",
            "Where control of the Contractor changes, its rights lapse unless the Client consents.",
            "The operator shall inform the bank of every change of control within five days.",
            "This agreement may be terminated by Harrow plc if the control of Velmont changes.",
        ),
        (
            "Changes to the access control list are recorded by the administrator.",
            "Version control: each change of this document is noted in the table of revisions.",
            "You control which changes to your profile are seen by others.",
            "The quality control team reviews each change of the recipe.",
            "Each contract clause was checked by counsel.",
        ),
        r"control|merge|acqui|sale of|chang\w+ of owner",
    ),
    Topic(
        "automatic renewal",
        "How many contracts have an automatic renewal clause?",
        (
            "This agreement renews automatically for further periods of one year.",
            "Unless either party objects, the term shall be renewed automatically each January.",
            "At the end of the initial term the subscription is automatically extended by renewal "
            "for twelve months.",
            "Renewal is automatic unless notice is given ninety days before expiry.",
            "The licence will automatically renew at the list price then current.",
        ),
        (
            "Certificates of the web server are renewed by the operations team.",
            "The page refreshes automatically every ten minutes.",
            "Urban renewal projects are supported by the foundation.",
            "The doors of the archive close automatically at six.",
        ),
        r"renew|automatic\w* exten|automatic",
    ),
    Topic(
        "arbitration",
        "Which of the agreements require disputes to be settled by arbitration?",
        (
            "All disputes arising out of this agreement shall be finally settled by arbitration "
            "under the rules of the chamber of commerce.",
            "Any dispute that the parties cannot resolve must be referred to arbitration in Bern.",
            "The parties agree that disputes are submitted to a single arbitrator and settled by "
            "binding arbitration.",
            "Disputes shall be decided by arbitration, the seat of which is Vienna.",
        ),
        (
            "The bank's trading desk does not engage in arbitrage.",
            "Disputes about holiday dates are settled by the head of the department.",
            "Conflicts between two settings are settled in favour of the stricter.",
            "Invoices in dispute are marked with a flag.",
        ),
        r"arbitra|dispute|settle",
    ),
    Topic(
        "limitation of liability",
        "Do any of the contracts limit the liability of the supplier?",
        (
            "The liability of the Supplier under this agreement is limited to the fees paid in the "
            "preceding twelve months.",
            "In no event shall the Supplier's total liability exceed EUR 2,000,000.",
            "The supplier's liability for slight negligence is capped at the contract value.",
            "Liability of the supplier is limited to direct losses.",
        ),
        (
            "The supplier keeps a limited number of spare parts in stock.",
            "Liabilities are shown in the balance sheet at their nominal value.",
            "Suppliers are chosen from a limited list.",
            "The tenant insures the premises against public liability.",
        ),
        r"liab|supplier",
        fitted=False,
    ),
    Topic(
        "audit right",
        "List all contracts that give the customer a right to audit the provider.",
        (
            "The Customer has the right to audit the Provider once in each calendar year.",
            "The provider shall permit the customer and its auditors to inspect and audit its "
            "premises and systems.",
            "Audits of the provider by the customer are allowed on ten days' notice.",
            "The customer is entitled to audit the provider's records relating to the services.",
        ),
        (
            "The accounts of the association are audited each spring.",
            "Audio recordings of hearings are kept by the clerk.",
            "The provider has the right to change its opening hours.",
            "An audit trail of log-ins is kept on the server.",
        ),
        r"audit|inspect",
    ),
    Topic(
        "non-solicitation",
        "In which agreements is the solicitation of employees prohibited?",
        (
            "Neither party shall solicit employees of the other for two years after the end of "
            "this agreement.",
            "The solicitation of the other party's employees is prohibited during the term.",
            "The contractor must not solicit or hire employees of the client.",
            "Soliciting each other's employees is forbidden.",
        ),
        (
            "Employees wear their badge in all rooms.",
            "Smoking is prohibited in the archive.",
            "Requests for proposals are solicited by the purchasing office.",
            "The solicitor of the estate is named in the annex.",
        ),
        r"solicit|employe",
        fitted=False,
    ),
    Topic(
        "whistleblowing",
        "Which policies mention a whistleblowing hotline?",
        (
            "Whistleblowers may use the hotline of the ombudsman at any hour.",
            "Misconduct is reported to the whistleblowing hotline, which is staffed day and night.",
            "A whistleblowing hotline is run by an external law firm.",
            "Anybody may call the whistle-blowing hotline without giving a name.",
        ),
        (
            "The hotline for broken screens is open on weekdays.",
            "The referee blows the whistle at the end of the match.",
            "Hot lines of the boiler are marked in red.",
            "Reports are filed with the registrar.",
        ),
        r"whistle|hotline|hot line",
        fitted=False,
    ),
    Topic(
        "notice period",
        "What notice period does each contract have?",
        (
            "Either party may terminate this agreement with a notice period of three months.",
            "The notice period is ninety days to the end of a quarter.",
            "This contract can be ended by giving 45 days' written notice.",
            "The period of notice is six months.",
        ),
        (
            "The trial period of the software is two weeks.",
            "Visitors notice the sign at the door.",
            "Backups are kept for ninety days.",
            "The reporting period is one calendar year.",
        ),
        r"notice|terminat|period",
        ("three months", "ninety days", "45 days", "six months"),
    ),
    Topic(
        "force majeure",
        "How many agreements contain a force majeure clause?",
        (
            "Neither party is liable for delays that are caused by force majeure.",
            "In cases of Force Majeure the affected party is released from its duties for as long "
            "as the event lasts.",
            "Events of force majeure shall be reported to the other party without delay.",
            "A force majeure event that lasts longer than sixty days entitles both to withdraw.",
        ),
        (
            "The task force meets on the first Monday of the month.",
            "The new tariff comes into force in May.",
            "Nobody is forced to take part in the raffle.",
            "The majority of the members elects the chair.",
        ),
        r"force|major",
        fitted=False,
    ),
    Topic(
        "insurance",
        "Which contracts require the contractor to hold professional indemnity insurance?",
        (
            "The contractor shall maintain professional indemnity insurance of at least EUR "
            "1,000,000.",
            "The Contractor must hold professional indemnity insurance throughout the term.",
            "Professional indemnity insurance is to be taken out by the contractor at its cost.",
            "The contractor is required to keep in force a policy of professional indemnity "
            "insurance.",
        ),
        (
            "Contractors sign in at the gate and hold their pass ready.",
            "The insurance of company cars is arranged by the fleet manager.",
            "Professional translators are engaged for the annual report.",
            "The contractor's invoices are paid within the month.",
        ),
        r"insur|indemn|contractor",
        fitted=False,
    ),
    Topic(
        "subcontracting",
        "Which of the agreements allow subcontracting?",
        (
            "The contractor may subcontract parts of the work with the client's consent.",
            "Subcontracting is permitted for transport only.",
            "Use of subcontractors is allowed if they are named in the annex.",
            "The agency is entitled to engage subcontractors.",
        ),
        (
            "A subcommittee meets in the second week of May.",
            "Contracts are numbered in the order of their signature.",
            "Dogs are allowed in the garden.",
            "The agency may change its address.",
        ),
        r"contract",
        fitted=False,
    ),
    Topic(
        "retention of recordings",
        "What retention period does each policy set for call recordings?",
        (
            "Recordings of calls are kept for 13 months.",
            "The retention period for call recordings is ninety days.",
            "Call recordings are deleted after two years.",
        ),
        (
            "Calls are answered within thirty seconds.",
            "The retention period for invoices is ten years.",
            "Film recordings of the jubilee last three hours.",
        ),
        r"retention|record|call",
        ("13 months", "ninety days", "two years"),
    ),
    Topic(
        "warranty period",
        "What warranty period does each contract give?",
        (
            "The warranty period is twenty-four months from delivery.",
            "The seller gives a warranty of 18 months on all parts.",
            "The goods are under warranty for three years.",
            "The period of warranty ends five years after acceptance.",
        ),
        (
            "The warranty card is kept with the machine.",
            "The trial period of the gym is four weeks.",
            "A search of the premises needs a warrant.",
            "The lease of the printer runs for three years.",
        ),
        r"warrant|trial|lease",
        ("twenty-four months", "18 months", "three years", "five years"),
        fitted=False,
    ),
    Topic(
        "assignment",
        "Which of the contracts prohibit assignment?",
        (
            "Neither party may assign this agreement without the other's consent.",
            "The supplier must not assign its claims to third parties.",
            "Assignment of rights under this agreement is prohibited.",
            "No assignment shall be made by the licensee.",
        ),
        (
            "Seats are assigned at the entrance.",
            "Photographs are prohibited in the vault.",
            "Students hand in the assignment on Friday.",
            "The licensee must not smoke in the workshop.",
        ),
        r"assign",
    ),
    Topic(
        "transfer of title",
        "How many contracts have a transfer of title clause?",
        (
            "The transfer of title takes place on full payment.",
            "Title in the goods transfers to the buyer on delivery.",
            "Title is transferred when the last rate has been paid.",
            "Transfer of title and risk happens at the factory gate.",
        ),
        (
            "The title of the book is printed on the cover.",
            "Passengers transfer at the central station.",
            "Job titles are listed in the directory.",
            "The title page was moved to the front.",
        ),
        r"transfer|title",
        fitted=False,
    ),
    Topic(
        "storage of samples",
        "How long does each protocol keep blood samples?",
        (
            "Blood samples are stored for ten years.",
            "Samples of blood are destroyed after six months.",
            "The blood samples shall be retained for 25 years.",
            "Blood samples older than 90 days are discarded.",
        ),
        (
            "Blood pressure is taken every two hours.",
            "Samples of the carpet are shown for three weeks.",
            "The freezer is serviced every six months.",
            "Blood is drawn by a nurse.",
        ),
        r"blood|sample",
        ("ten years", "six months", "25 years", "90 days"),
        fitted=False,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """The documents' texts by file name, and for each topic which hold it, with its value."""

    texts: dict[str, str]
    holding: dict[str, dict[str, str]]  # topic -> file name -> value, "" if none was asked for


def paragraphs_of(path: Path, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """The paragraphs of PolicyQA's policies that touch none of the topics."""
    data = json.loads(path.read_text(encoding="utf-8"))["data"]
    found = {
        " ".join(paragraph["context"].split())
        for policy in data
        for paragraph in policy["paragraphs"]
    }
    touching = re.compile("|".join(topic.touching for topic in topics), re.IGNORECASE)
    return sorted(text for text in found if not touching.search(text) and len(text) > 80)


def planted(paragraphs: Sequence[str], count: int, seed: int = 1) -> Planted:
    """`count` documents; of each topic a third holds it, and a third of them has a near miss."""
    rng = random.Random(seed)
    texts, holding = {}, {topic.name: dict[str, str]() for topic in TOPICS}
    for number in range(count):
        name = f"contract-{number:03d}.txt"
        body = rng.sample(paragraphs, rng.randint(12, 40))
        for topic in TOPICS:
            draw = rng.random()
            if draw < 1 / 3:
                which = rng.randrange(len(topic.held))
                _plant(body, topic.held[which], rng)
                holding[topic.name][name] = topic.values[which] if topic.values else ""
            elif draw < 2 / 3:
                _plant(body, rng.choice(topic.missed), rng)
        texts[name] = "\n\n".join([f"Agreement {number}", *body])
    return Planted(texts, holding)


def _plant(body: list[str], sentence: str, rng: random.Random) -> None:
    """Put a sentence into a paragraph at random, half of the time as a paragraph of its own."""
    at = rng.randrange(len(body))
    if rng.random() < 0.5:
        body.insert(at, sentence)
    else:
        body[at] = f"{body[at]} {sentence}"
