"""Conversations with what their last question must hold once it is made whole; by hand.

A line is `earlier questions, " // " between them >> last question | must | must not`: expressions,
", " between them, that must or must not stand in the completed question, whatever their case. A
lone `=` says that the question stands alone and nothing may be added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CASES = """
How long does the bank keep account opening forms? >> And closed account files? | how long, closed account files | opening
How long does the bank keep account opening forms? >> Who may look at them? | who, account opening forms |
How long does the bank keep account opening forms? // And closed account files? >> Which are kept longer? | account opening forms, closed account files, longer |
What is the daily limit for cash withdrawals in branches? >> And at ATMs? | daily limit, cash withdrawals, atms |
What is the daily limit for cash withdrawals in branches? >> Who can raise it? | who can raise, limit, cash withdrawals |
What is the daily limit for cash withdrawals in branches? >> What is the fee? | fee, cash withdrawals |
When must a suspicious transaction be reported to the FIU? >> By whom? | by whom, suspicious transaction, fiu |
When must a suspicious transaction be reported to the FIU? >> And if the customer is a politician? | suspicious transaction, fiu, politician |
When must a suspicious transaction be reported to the FIU? >> Why? | why, suspicious transaction, fiu |
Who approves a loan above EUR 250,000? >> And above EUR 1 million? | who approves, loan, eur 1 million | 250,000
Who approves a loan above EUR 250,000? >> How long does it take? | how long, loan, 250,000 |
Who approves a loan above EUR 250,000? >> What about mortgages? | who approves, mortgages | a loan
What does clause 7.3 of the facility agreement with Harrow Steel say on prepayment? >> And clause 7.4? | clause 7.4, facility agreement, harrow steel, prepayment | 7.3
What does clause 7.3 of the facility agreement with Harrow Steel say on prepayment? >> What is the notice period? | notice period, harrow steel |
What does clause 7.3 of the facility agreement with Harrow Steel say on prepayment? >> And the one with Bellweather Shipping? | bellweather shipping, prepayment | harrow
What was the bank's tier 1 ratio in 2021? >> What about 2022? | tier 1 ratio, 2022 | 2021
What was the bank's tier 1 ratio in 2021? >> And in 2019? | tier 1 ratio, 2019 | 2021
What was the bank's tier 1 ratio in 2021? // What about 2022? >> And the leverage ratio? | leverage ratio, 2022 | tier 1
How often is a high risk customer reviewed? >> And a medium risk one? | how often, medium risk, reviewed |
How often is a high risk customer reviewed? >> By which department? | department, high risk customer |
How often is a high risk customer reviewed? >> What happens if the review is late? | high risk customer, late |
How much may a relationship manager accept as a gift from a client? >> And as hospitality? | relationship manager, hospitality, client |
How much may a relationship manager accept as a gift from a client? >> Does he have to report it? | relationship manager, report, gift |
How much may a relationship manager accept as a gift from a client? >> And a branch manager? | branch manager, gift, client | relationship
Which system holds the sanctions lists? >> How often is it updated? | how often, sanctions lists, updated |
Which system holds the sanctions lists? >> Who supplies it? | who supplies, sanctions lists |
Who is the money laundering reporting officer? >> Who is the deputy? | deputy, money laundering reporting officer |
Who is the money laundering reporting officer? >> What is her telephone number? | telephone number, money laundering reporting officer |
What must the annual compliance report contain? >> Who receives it? | who receives, annual compliance report |
What must the annual compliance report contain? >> By when? | by when, annual compliance report |
What must the annual compliance report contain? // Who receives it? >> When is it due? | annual compliance report, due |
What is the dose of ceftriaxone for adults with meningitis? >> And for children? | ceftriaxone, meningitis, children | adults
What is the dose of ceftriaxone for adults with meningitis? >> And of cefotaxime? | cefotaxime, adults, meningitis | ceftriaxone
What is the dose of ceftriaxone for adults with meningitis? >> What are the contraindications? | contraindications, ceftriaxone |
What is the dose of ceftriaxone for adults with meningitis? >> How often is it given? | how often, ceftriaxone |
How soon must a pressure ulcer of grade 3 be reported? >> And one of grade 4? | pressure ulcer, grade 4, reported |
How soon must a pressure ulcer of grade 3 be reported? >> Who reports it? | who reports, pressure ulcer, grade 3 |
How soon must a pressure ulcer of grade 3 be reported? >> To whom? | to whom, pressure ulcer, grade 3 |
Which isolation measures apply to patients with norovirus? >> How long do they last? | how long, isolation measures, norovirus |
Which isolation measures apply to patients with norovirus? >> And with MRSA? | isolation measures, mrsa | norovirus
Who may prescribe opioids on the palliative ward? >> And on the surgical ward? | prescribe, opioids, surgical ward | palliative
Who may prescribe opioids on the palliative ward? >> Where are they stored? | opioids, stored |
Who may prescribe opioids on the palliative ward? >> Can nurses do that? | nurses, opioids |
At what temperature are platelet concentrates stored? >> And red cells? | temperature, red cells | platelet
At what temperature are platelet concentrates stored? >> For how long? | for how long, platelet concentrates |
At what temperature are platelet concentrates stored? // And red cells? >> For how long? | for how long, red cells |
May a patient read the entries of his psychotherapist? >> Does that also apply to relatives? | relatives, entries, psychotherapist |
How long are X-ray images archived? >> Is that longer than for MRI scans? | x-ray images, mri scans, longer |
How long are X-ray images archived? >> In which format? | format, x-ray images |
When was the hand hygiene protocol last revised? >> Who signed the protocol? | hand hygiene protocol, signed |
When was the hand hygiene protocol last revised? >> What changed? | hand hygiene protocol, changed |
What are the visiting hours of the neonatal unit? >> How many visitors are allowed? | visitors, neonatal unit |
What training does a new anaesthetist need before the first night shift? >> Who provides it? | who provides, training, anaesthetist |
What did the inspection of 14 March 2024 find in the pharmacy? >> And that of 2 May 2025? | 2 may 2025, pharmacy | 14 march
What did the inspection of 14 March 2024 find in the pharmacy? >> Who carried it out? | who carried, inspection, 14 march 2024 |
What did the inspection of 14 March 2024 find in the pharmacy? >> And in the laboratory? | inspection, 14 march 2024, laboratory | pharmacy
Within how many days must a SUSAR be reported to the authority? >> And to the ethics committee? | susar, ethics committee |
Within how many days must a SUSAR be reported to the authority? >> And if it is fatal? | susar, authority, fatal |
Within how many days must a SUSAR be reported to the authority? >> Which form is used? | form, susar |
Who is the sponsor of study VX-204? >> And of VX-311? | sponsor, vx-311 | vx-204
Who is the sponsor of study VX-204? >> How many patients does it include? | how many patients, vx-204 |
How many patients were enrolled in study VX-204 in Poland? >> And in Hungary? | enrolled, vx-204, hungary | poland
How many patients were enrolled in study VX-204 in Poland? >> When did it end? | vx-204, end |
What shelf life does batch 88-A17 of Trevalin have? >> And batch 88-B02? | shelf life, 88-b02, trevalin | 88-a17
What shelf life does batch 88-A17 of Trevalin have? >> Who released it? | who released, 88-a17 |
Which SOP governs the cleaning of reactor R-12? >> Who is the owner? | owner, r-12 |
Which SOP governs the cleaning of reactor R-12? >> And reactor R-14? | sop, cleaning, r-14 | r-12
How are deviations classified? >> Who approves them? | who approves, deviations |
How are deviations classified? >> And complaints? | how, complaints, classified | deviations
How are deviations classified? >> Within what time must they be closed? | time, deviations, closed |
What is the retention period for batch records? >> Does the same apply to stability data? | retention period, stability data | batch records
What is the retention period for batch records? // Does the same apply to stability data? >> Which one is shorter? | batch records, stability data, shorter |
What side effects does Trevalin have? >> Which of them are serious? | serious, trevalin |
What side effects does Trevalin have? >> And Norvastat? | side effects, norvastat | trevalin
How often is the water system sampled? >> Where? | where, water system, sampled |
When does the lease of the Leeds office end? >> What is the rent? | rent, leeds |
When does the lease of the Leeds office end? >> And the Utrecht office? | lease, utrecht | leeds
When does the lease of the Leeds office end? >> Can it be extended? | extended, lease, leeds |
What is the liability cap under the services agreement with Corbel Data? >> And under the one with Ashgrove? | liability cap, ashgrove | corbel
What is the liability cap under the services agreement with Corbel Data? >> Are there exceptions? | exceptions, liability cap, corbel data |
What is the liability cap under the services agreement with Corbel Data? >> Which law governs that agreement? | law, services agreement, corbel data |
Can the tenant sublet the premises without consent? >> And the landlord? | landlord, premises |
Can the tenant sublet the premises without consent? >> What is the penalty? | penalty, sublet |
Within what time must the supplier cure a material breach? >> And the customer? | customer, cure, material breach | supplier
Within what time must the supplier cure a material breach? >> What happens otherwise? | material breach, happens |
What are the warranties and the indemnities in the Oakfield purchase agreement? >> How long do the former last? | warranties, oakfield | indemnities
What are the warranties and the indemnities in the Oakfield purchase agreement? >> Are the latter capped? | indemnities, oakfield, capped | warranties
Who signed the shareholders' agreement for Tolland Capital? >> When did they sign? | tolland capital, sign |
Which court has jurisdiction over disputes under the licence with Penrose Labs? >> And under which law? | law, penrose labs |
Does clause 12.1 allow assignment to affiliates? >> And clause 12.2? | clause 12.2, assignment, affiliates | 12.1
How much notice must an employee with ten years of service give? >> And one with two years? | notice, employee, two years | ten years
How much notice must an employee with ten years of service give? >> Does it have to be in writing? | notice, writing |
Who chairs the remuneration committee? >> How often does it meet? | how often, remuneration committee, meet |
Who chairs the remuneration committee? >> And the audit committee? | chairs, audit committee | remuneration
Who chairs the remuneration committee? // And the audit committee? >> Who are its other members? | members, audit committee |
What did the board decide on the dividend on 18 June 2025? >> Who voted against it? | voted against, dividend, 18 june 2025 |
What did the board decide on the dividend on 18 June 2025? >> And on the bonus pool? | board, bonus pool, 18 june 2025 | dividend
How do I appeal against a parking fine? >> What is the deadline? | deadline, parking fine |
How do I appeal against a parking fine? >> What does that cost? | cost, parking fine |
What documents are needed for a residence permit? >> How much does it cost? | how much, residence permit |
What documents are needed for a residence permit? >> And for a work permit? | documents, work permit | residence
What documents are needed for a residence permit? >> Can they be submitted online? | documents, residence permit, online |
When are the council's waste collection fees due? >> How can I pay them? | pay, waste collection fees |
What grants exist for insulating homes in Marlow? >> Who can apply? | who can apply, grants, marlow |
What grants exist for insulating homes in Marlow? >> And for solar panels? | grants, solar panels, marlow | insulating
How many members does the housing committee have? >> Who appoints them? | who appoints, members, housing committee |
What is the speed limit in school zones? >> And on rural roads? | speed limit, rural roads |
Which offices were closed in 2023? >> And in 2024? | offices, closed, 2024 | 2023
Which offices were closed in 2023? >> Why were they closed? | why, offices, 2023 |
How much did Norrland Energy invest in wind farms in Q2 2024? >> And in Q3? | norrland energy, wind farms, q3 2024 | q2
How much did Norrland Energy invest in wind farms in Q2 2024? >> And Sydkraft? | sydkraft, wind farms, q2 2024 | norrland
How much did Norrland Energy invest in wind farms in Q2 2024? // And in Q3? >> And in solar parks? | norrland energy, solar parks, q3 2024 | wind
How long is the probation period? >> For apprentices as well? | probation period, apprentices |
Is personal use of the company phone allowed? >> Even abroad? | personal use, company phone, abroad |
How must confidential waste be disposed of? >> Where does it say so? | confidential waste, document |
Who decides on home office requests? >> On what basis? | basis, home office requests |
Who decides on home office requests? // How many days are possible? // When was that introduced? >> Who decided them before? | home office requests |
Which vaccinations do kitchen staff need? >> Thanks. And the cleaning staff? | vaccinations, cleaning staff | kitchen
How long does the bank keep account opening forms? >> Who audits the annual accounts of the group? | = |
When must a suspicious transaction be reported to the FIU? >> What is phishing? | = |
Who approves a loan above EUR 250,000? >> How many days of leave do part-time employees get? | = |
What is the dose of ceftriaxone for adults with meningitis? >> Which hand disinfectant is used in the operating theatre? | = |
How soon must a pressure ulcer of grade 3 be reported? >> Where can visitors park at the north entrance? | = |
Who is the sponsor of study VX-204? >> When does the bank notify its customers of a data breach? | = |
What shelf life does batch 88-A17 of Trevalin have? >> If a customer complains, how long do they have to wait for an answer? | = |
When does the lease of the Leeds office end? >> Is it allowed to take client files home? | = |
Who chairs the remuneration committee? >> What does GDPR stand for? | = |
How are deviations classified? >> Who is Marta Kovacs? | = |
What was the bank's tier 1 ratio in 2021? >> New question: who repairs the coffee machine? | = |
Which system holds the sanctions lists? >> Can employees who travel on Sundays claim an allowance? | = |
What must the annual compliance report contain? >> What does section 5.1 of the travel policy require? | = |
How do I appeal against a parking fine? >> How often are the fire extinguishers in Building C inspected? | = |
Which isolation measures apply to patients with norovirus? >> Which rules apply to those who work from abroad? | = |
What grants exist for insulating homes in Marlow? >> How long does it take to renew a passport? | = |
What is the liability cap under the services agreement with Corbel Data? >> Does the policy require that incidents are reported in writing? | = |
How many patients were enrolled in study VX-204 in Poland? >> What must a supplier do before its subcontractors may process personal data? | = |
How much may a relationship manager accept as a gift from a client? >> Which records does the registry keep, and who may see them? | = |
What is the speed limit in school zones? >> What are the opening hours of the town library? | = |
Who decides on home office requests? >> And how long are application files of rejected candidates kept? | = |
What training does a new anaesthetist need before the first night shift? >> Define force majeure. | = |
When was the hand hygiene protocol last revised? >> By the way, who maintains the lifts in the east wing? | = |
Can the tenant sublet the premises without consent? >> What is the maximum weight of parcels in the internal mail? | = |
How long may a pilot fly without a break? >> And a co-pilot? | co-pilot, break, how long |
What is the deductible for water damage under the Homestead policy? >> And for fire? | deductible, fire, homestead | water
What is the deductible for water damage under the Homestead policy? >> Who pays it? | who pays, deductible |
When is the annual accounts meeting of Brightwater Trust held? >> Who may attend? | attend, brightwater |
When is the annual accounts meeting of Brightwater Trust held? >> And of Larkfield Trust? | larkfield, accounts meeting | brightwater
Which antibiotics are reserved for the intensive care unit? >> Who releases them? | who releases, antibiotics |
Which antibiotics are reserved for the intensive care unit? >> And for the burns unit? | antibiotics, burns unit | intensive
How is a conflict of interest disclosed? >> To whom? | to whom, conflict of interest |
How is a conflict of interest disclosed? >> How quickly? | how quickly, conflict of interest |
What was the headcount of the Gdansk site at the end of 2020? >> And 2021? | headcount, gdansk, 2021 | 2020
What was the headcount of the Gdansk site at the end of 2020? >> And the Porto site? | headcount, porto, 2020 | gdansk
Does article 9 of the lease permit pets? >> And article 10? | article 10, lease, pets | article 9
What is the minimum age for blood donors? >> Is there also a maximum? | maximum, blood donors |
What is the minimum age for blood donors? >> How often may they donate? | how often, blood donors |
Who signs off changes to the pricing model? >> How are they documented? | changes, pricing model, documented |
Who signs off changes to the pricing model? >> When was this model validated? | pricing model, validated |
What insurance must subcontractors of Keld Construction hold? >> For what amount? | amount, keld |
What insurance must subcontractors of Keld Construction hold? >> Must they prove it? | subcontractors, insurance, prove |
Where are the original contracts archived? >> Who has the keys? | keys, contracts |
Where are the original contracts archived? >> For how many years? | years, original contracts |
How much leave do parents get after a birth? >> What about adoption? | leave, adoption |
How much leave do parents get after a birth? >> Is it paid? | paid, leave |
How fast must incidents of severity 1 be resolved? >> And severity 2? | severity 2, incidents | severity 1
How fast must incidents of severity 1 be resolved? // And severity 2? >> Which of the two is stricter? | severity 1, severity 2 |
Who may access the whistleblowing mailbox? >> How long are its messages kept? | messages, whistleblowing mailbox |
What does the Ravensmoor protocol say on dose reduction? >> And on rescue medication? | ravensmoor, rescue medication | dose reduction
What does the Ravensmoor protocol say on dose reduction? >> Which version is that? | version, ravensmoor |
How long may a pilot fly without a break? >> Which suppliers are audited every year? | = |
How is a conflict of interest disclosed? >> How long do guests have to keep their badges visible? | = |
Does article 9 of the lease permit pets? >> What is the hourly rate of external counsel? | = |
Who may access the whistleblowing mailbox? >> When must the bank inform the customer that its terms have changed? | = |
Where are the original contracts archived? >> What is a suspicious matter report? | = |
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation and what its last question must and must not hold; `alone`: nothing added."""

    earlier: tuple[str, ...]
    text: str
    must: tuple[str, ...]
    must_not: tuple[str, ...]
    alone: bool


def _list(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(", ") if each.strip())


def cases() -> Iterator[Case]:
    """The conversations, in order."""
    for line in CASES.strip().splitlines():
        before, _, rest = line.partition(" >> ")
        text, must, must_not = (part.strip() for part in (rest + " ").split("|"))
        alone = must == "="
        earlier = tuple(before.split(" // "))
        yield Case(earlier, text, () if alone else _list(must), _list(must_not), alone)
