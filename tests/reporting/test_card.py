import yaml

from tests.reporting.examples import ATTACK, facts
from tuneline.reporting.card import CardConfig, model_card

LINEAGE = {
    "base_model": "hub:org/model",
    "base_model_revision": "a" * 40,
    "base_model_digest": "b" * 64,
    "base_model_license": "Apache-2.0",
    "data_digest": "d" * 64,
    "data_files": {f"data/{i}.jsonl": f"{i:064x}" for i in range(60)},
    "data_licenses": {"faq": "CC-BY-4.0"},
    "profile": {"training": {"method": "qlora"}},
    "seed": 7,
}
ABOUT = CardConfig(
    intended_use="Answers about leases.",
    out_of_scope="Criminal law.",
    limits=("weak on tables",),
    contact="legal-models@example.com",
)
SECTIONS = (
    *("Intended use", "Data", "Training", "Evaluation", "Limits", "Quantizations", "Contact"),
)


def section(card, name):
    return card.partition(f"\n## {name}\n\n")[2].partition("\n## ")[0]


def test_a_card_has_every_section_in_order_and_what_people_said():
    card = model_card(facts(), LINEAGE, ABOUT)
    found = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert tuple(found) == SECTIONS
    assert "Answers about leases.\n\nOut of scope: Criminal law." in section(card, "Intended use")
    assert "- weak on tables\n" in section(card, "Limits")
    assert section(card, "Contact").strip() == "legal-models@example.com"


def test_data_are_told_with_counts_licence_and_digests():
    told = section(model_card(facts(), LINEAGE, ABOUT), "Data")
    assert "| source | licence | read | kept | train | validation | holdout |" in told
    assert "| faq | CC-BY-4.0 |  |  | 80 | 0 | 10 |" in told
    assert "100 records read, 90 kept" in told
    assert f"- data/0.jsonl: `{0:064x}`" in told
    assert "- and 10 more" in told


def test_scores_carry_their_intervals_and_the_verdict():
    told = section(model_card(facts(), LINEAGE, ABOUT), "Evaluation")
    score = "| task_score | 0.720 [0.610, 0.820] | 0.410 [0.610, 0.820] |"
    assert f"{score} +0.310 [+0.120, +0.470], better |" in told
    assert "95% intervals" in told


def test_a_hub_reads_the_front_matter():
    card = model_card(facts(), LINEAGE, ABOUT)
    front = yaml.safe_load(card.split("---")[1])
    assert (front["base_model"], front["license"]) == ("org/model", "apache-2.0")
    assert front["library_name"] == "peft"


def test_what_nobody_said_is_said_to_be_missing():
    card = model_card(facts(forgetting=None, quantizations=None), {}, CardConfig())
    assert "not stated; the profile's `card` can say it" in section(card, "Contact")
    assert "was not measured" in section(card, "Limits")
    assert section(card, "Quantizations").strip() == "none were measured"


def test_no_row_of_the_data_and_no_markup_of_its_names_gets_into_the_card():
    card = model_card(facts(), {**LINEAGE, "data_files": {f"a|{ATTACK}": "0"}}, ABOUT)
    assert "<script>" not in card
    assert "承租人" not in card
