"""Writes `loan_clauses.jsonl`: invented loan clauses and the four terms to extract from each.

Every clause states two to four of the terms, in shuffled order and among numbers that are none of
them. The last five rows are blemishes, as real deliveries have them: two exact duplicates, two
rows without an output, and one near-duplicate. Equal seeds write equal bytes.
"""

import argparse
import json
from pathlib import Path
from random import Random

INSTRUCTION = "Extract interest_rate, penalty, collateral and term as JSON, null where absent."
N_BLEMISHES = 5

SENTENCES = {
    "interest_rate": """The Loan bears interest at {interest_rate}.
Interest accrues on the principal at {interest_rate}.
{borrower} shall pay interest at {interest_rate}, due each {period}.
Until discharged, the debt carries interest at {interest_rate}.
Sums drawn are charged at {interest_rate}, payable each {period}.
The rate applicable to every advance is {interest_rate}.""",
    "penalty": """If an instalment is late, {borrower} owes {penalty}.
Each missed payment triggers a charge of {penalty}.
{lender} may claim {penalty} whenever a due date passes without payment.
Late payment obliges {borrower} to compensate {lender} with {penalty}.
Overdue sums attract a penalty of {penalty}.
Should {borrower} fall into arrears, the agreed sanction is {penalty}.""",
    "collateral": """As security {borrower} pledges {collateral}.
The obligations are secured by {collateral}.
{lender} takes a first-ranking charge over {collateral}.
{borrower} grants a security interest in {collateral}.
Upon default {lender} may seize and sell {collateral}.
To guarantee performance, a lien is created on {collateral}.""",
    "term": """The Loan shall be repaid within {term}.
This agreement runs for {term} unless terminated earlier.
{borrower} shall return the principal in equal parts over {term}.
The maturity of the facility is {term}.
Final repayment falls due {term} after signature.
Credit is extended for a fixed period of {term}.""",
}
DISTRACTORS = """{lender} advances {amount} on {date}.
An arrangement fee of {fee} was settled at closing.
Notices under this section require {days} days.
The facility of {amount} may be drawn in {count} tranches.
{borrower} shall maintain an equity ratio of {percent}.
Accounts must be kept for {count} years.
A change of control exceeding {percent} of the votes needs consent.
This clause replaces section {section} of the agreement dated {date}.
{borrower} delivers audited statements within {days} days of year end.
Disputes are heard in {city} before {count} arbitrators."""
LENDERS = ["Harbour Trust Bank", "Meridian Credit Union", "the Lender", "the Bank"]
BORROWERS = ["the Borrower", "Castell Foods Ltd", "Duarte & Sons", "the Company"]
CITIES = ["Leeds", "Rotterdam", "Austin", "Galway", "Toronto", "Malmo", "Perth", "Lyon", "Porto"]
MONTHS = ["January", "March", "April", "June", "August", "September", "November", "December"]
STREETS = ["Mill Road", "Quay Street", "Station Avenue", "Elm Lane", "Foundry Way"]
BUILDINGS = ["warehouse", "office building", "bakery", "farmhouse", "workshop"]
GOODS = ["grain", "delivery vans", "printing presses", "wine", "steel coils"]


def values(rng: Random) -> dict[str, str]:
    """One value for every placeholder; answers appear in the clause verbatim."""
    city, street = rng.choice(CITIES), rng.choice(STREETS)
    rate, margin = f"{rng.randrange(8, 60) / 4:g}%", f"{rng.randrange(4, 24) / 4:g}%"
    share, fine = f"{rng.randrange(2, 20) / 2:g}%", f"${rng.randrange(5, 100) * 10}"
    building = f"the {rng.choice(BUILDINGS)} at {rng.randrange(2, 99)} {street}"
    goods = f"the {rng.choice(GOODS)} stored in {city}"
    shares = f"{rng.randrange(2, 90) * 100:,} shares in {street.split()[0]} Holdings"
    receivables = f"all receivables of the {city} branch"
    return {
        "lender": rng.choice(LENDERS),
        "borrower": rng.choice(BORROWERS),
        "interest_rate": rng.choice([f"{rate} per annum", f"{rate} a year", f"SOFR plus {margin}"]),
        "penalty": rng.choice([f"{share} of the overdue amount", f"{fine} per day"]),
        "collateral": rng.choice([building, goods, shares, receivables]),
        "term": rng.choice([f"{rng.randrange(3, 40) * 3} months", f"{rng.randrange(2, 20)} years"]),
        "period": rng.choice(["month", "quarter"]),
        "amount": f"${rng.randrange(20, 4000) * 500:,}",
        "percent": f"{rng.randrange(20, 120) / 2:g}%",
        "fee": f"{rng.randrange(2, 40) / 10:g}%",
        "section": f"{rng.randrange(2, 20)}.{rng.randrange(1, 9)}",
        "date": f"{rng.randrange(1, 29)} {rng.choice(MONTHS)} {rng.randrange(2012, 2025)}",
        "days": str(rng.randrange(5, 90)),
        "count": rng.choice(["three", "five", "six", "seven"]),
        "city": rng.choice(CITIES),
    }


def make_row(rng: Random) -> dict[str, str]:
    """One clause with two to four stated terms and one or two distractors."""
    facts = values(rng)
    stated = rng.sample(list(SENTENCES), rng.randrange(2, len(SENTENCES) + 1))
    sentences = [rng.choice(SENTENCES[field].splitlines()) for field in stated]
    sentences += rng.sample(DISTRACTORS.splitlines(), rng.randrange(1, 3))
    rng.shuffle(sentences)
    filled = [sentence.format_map(facts) for sentence in sentences]
    answer = {field: facts[field] if field in stated else None for field in SENTENCES}
    return {
        "instruction": INSTRUCTION,
        "input": " ".join(sentence[0].upper() + sentence[1:] for sentence in filled),
        "output": json.dumps(answer),
    }


def make_rows(n_rows: int, seed: int) -> list[dict[str, str]]:
    """`n_rows` rows, the last `N_BLEMISHES` of them blemished; needs at least three sound rows."""
    rng = Random(seed)
    sound = [make_row(rng) for _ in range(n_rows - N_BLEMISHES)]
    unanswered = [make_row(rng) | {"output": ""} for _ in range(2)]
    original = next(row for row in sound[2:] if " the " in row["input"])
    near_duplicate = original | {"input": original["input"].replace(" the ", " said ", 1)}
    return [*sound, *sound[:2], *unanswered, near_duplicate]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("loan_clauses.jsonl"))
    args = parser.parse_args()
    lines = [json.dumps(row) for row in make_rows(args.rows, args.seed)]
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
