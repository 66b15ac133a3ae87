"""Reviews of a real version in a real MLflow store in SQLite; the answers are written by hand."""

import json
from datetime import date
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows.cli import app
from flows.review import print_reviews
from tasks import report, review
from tests.reporting.examples import facts, outcome, scores
from tuneline import tracking
from tuneline.errors import RegistryError, ReviewError
from tuneline.registry import Registry
from tuneline.reports import save_report
from tuneline.review.judge import Judged

CANDIDATE = "c4" * 32
N = 24


@pytest.fixture(scope="module", autouse=True)
def _workspace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


def log_answers(run_id, folder):
    """What a retraining logs: scores of two models, numbers of the release page."""
    tables = scores(
        candidate=[(f"ours {i} 电话13800138000", 1.0) for i in range(N)],
        base=[(f"theirs {i}", 0.0) for i in range(N)],
    )
    for name, table in tables.items():
        table.write_parquet(folder / "scores.parquet")
        tracking.log_artifacts(run_id, folder / "scores.parquet", f"evaluation/{name}")
    save_report(folder / report.FACTS, facts())
    save_report(folder / report.OUTCOME, outcome(run_id=run_id, candidate=CANDIDATE))
    for name in (report.FACTS, report.OUTCOME):
        tracking.log_artifacts(run_id, folder / name, report.FOLDER)


@pytest.fixture(scope="module")
def version(_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with tracking.run("lawyer", CANDIDATE) as run_id:
        log_answers(run_id, folder)
    adapter = tmp_path_factory.mktemp("adapter")
    (adapter / "adapter_config.json").write_text("{}")
    return Registry(tracking.tracking_uri()).register(
        "lawyer", adapter=adapter, candidate=CANDIDATE, day=date(2026, 11, 25), lineage={},
        run_id=run_id, description="", actor="ann",
    )  # fmt: skip


@pytest.fixture
def subject(version):
    return review.find(version.release)


@pytest.fixture
def exported(subject):
    return review.export_pairs(subject, None, 20, 0, None)


def verdicts(exported, folder, reviewer, choose):
    path = folder / f"{reviewer}.jsonl"
    rows = [
        {"review": p.review, "pair": p.pair, "verdict": choose(p), "reviewer": reviewer}
        for p in exported.review.pairs
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def prefer_ours(pair):
    return "left" if pair.left.startswith("ours") else "right"


def test_a_release_is_found_by_name_by_domain_and_by_digits_of_its_candidate(version, subject):
    assert subject.version == version
    assert review.find("lawyer") == review.find(CANDIDATE[:8]) == subject


def test_what_is_no_release_no_domain_and_no_candidate_is_an_error(version):
    with pytest.raises(ReviewError, match=r"'lawyers' is no release, no domain \(lawyer\)"):
        review.find("lawyers")
    with pytest.raises(RegistryError, match=r"no version 'v9.9-lawyer-20261125'"):
        review.find("v9.9-lawyer-20261125")


def test_a_refused_candidate_is_found_by_digits_of_its_key(version, tmp_path):
    with tracking.run("lawyer", "beefbeefbeef") as run_id:
        log_answers(run_id, tmp_path)
    refused = review.find("beefbe")
    assert (refused.domain, refused.run_id, refused.version) == ("lawyer", run_id, None)


def test_the_baseline_is_the_best_that_was_measured_and_another_must_be_named_right(subject):
    assert review.export_pairs(subject, None, 5, 1, None).review.key.baseline == "base"
    with pytest.raises(ReviewError, match="was not measured beside champion; there are: base"):
        review.export_pairs(subject, "champion", 5, 1, None)


def test_exported_pairs_lie_with_the_run_and_hold_no_personal_data(subject, exported):
    pairs = (exported.pairs / "pairs.jsonl").read_text(encoding="utf-8")
    assert "13800138000" not in pairs
    stored = f"reviews/{exported.review.key.review}/pairs.jsonl"
    assert tracking.read_artifact(subject.run_id, stored).decode() == pairs


def test_imported_verdicts_are_seen_by_whoever_comes_next(subject, tmp_path, version):
    exported = review.export_pairs(subject, None, 20, 3, None)
    ann = verdicts(exported, tmp_path, "ann", prefer_ours)
    first = review.import_verdicts(subject, [ann])
    assert (first.n_new, first.report.win_rate.value) == (20, 1.0)
    assert review.import_verdicts(subject, [ann]).n_new == 0, "the same file twice"
    bo = verdicts(exported, tmp_path, "bo", lambda pair: "both_bad")
    found = review.import_verdicts(subject, [bo]).report
    assert found.reviewers == {"ann": 20, "bo": 20}
    assert found.win_rate.value == 0.75, "a win and a tie on each pair"
    assert found in review.reports(subject)
    run = tracking.connect(tracking.tracking_uri()).get_run(subject.run_id)
    assert run.data.metrics["review/base/win_rate"] == 0.75
    assert run.data.tags["review"] == review.sentence(found)
    client = tracking.connect(tracking.tracking_uri())
    assert client.get_model_version("lawyer", version.number).tags["review"].startswith("win rate")


def test_the_release_report_shows_the_verdicts(subject, exported, tmp_path):
    path = verdicts(exported, tmp_path, "cem", prefer_ours)
    page = review.import_verdicts(subject, [path]).page
    assert page.read_bytes() == tracking.read_artifact(subject.run_id, "release/report.html")
    text = page.read_text(encoding="utf-8")
    assert f"review {exported.review.key.review}" in text
    assert "cem (20)" in text


def test_a_second_opinion_of_the_same_reviewer_is_refused(subject, exported, tmp_path):
    review.import_verdicts(subject, [verdicts(exported, tmp_path, "dee", prefer_ours)])
    changed = verdicts(exported, tmp_path, "dee", lambda pair: "same")
    with pytest.raises(ReviewError, match=r"dee.jsonl:1: dee says 'same' .* an earlier import"):
        review.import_verdicts(subject, [changed])


def test_verdicts_on_a_review_of_another_run_are_refused(subject, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"review": "r9", "pair": "p1", "verdict": "left", "reviewer": "ann"}\n')
    with pytest.raises(ReviewError, match="has no review r9"):
        review.import_verdicts(subject, [path])


def test_a_judge_is_held_against_the_people_and_stored_beside_them(subject, exported, tmp_path):
    profile = tmp_path / "judged.yaml"
    text = Path("profiles/smoke.yaml").read_text(encoding="utf-8")
    judge = "  judge: {base_url: 'http://127.0.0.1:9/v1', model: big, retries: 0}\n"
    profile.write_text(text.replace("evaluation:\n", f"evaluation:\n{judge}"), encoding="utf-8")
    with pytest.raises(ReviewError, match=r"judge big at http://127.0.0.1:9/v1 gives no"):
        review.judge(subject, exported, str(profile), lambda done, total: None)
    stored = review.StoredJudge("big", 30, [Judged(exported.review.pairs[0].pair, "left", "left")])
    name = f"reviews/{exported.review.key.review}/judges"
    (tmp_path / "judge-1.json").write_bytes(msgspec.json.encode(stored))
    tracking.log_artifacts(subject.run_id, tmp_path / "judge-1.json", name)
    (judged,) = review.import_verdicts(
        subject, [verdicts(exported, tmp_path, "eve", prefer_ours)]
    ).report.judges
    assert judged.win_rate is None
    assert "30 are needed" in judged.note


def test_a_profile_without_a_judge_asks_nobody(subject, exported):
    with pytest.raises(ReviewError, match="profile smoke has no judge"):
        review.judge(subject, exported, "smoke", lambda done, total: None)


def test_the_command_exports_and_imports_and_prints_the_win_rate(version, tmp_path):
    out = tmp_path / "pairs"
    ran = CliRunner().invoke(app, ["review", version.release, "--seed", "7", "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    assert "blinded pairs" in ran.output
    assert {p.name for p in out.iterdir()} == {"review.html", "pairs.csv", "pairs.jsonl"}
    pair = json.loads((out / "pairs.jsonl").read_text(encoding="utf-8").splitlines()[0])
    path = tmp_path / "verdicts.jsonl"
    row = {"review": pair["review"], "pair": pair["pair"], "verdict": "same", "reviewer": "fay"}
    path.write_text(json.dumps(row))
    ran = CliRunner().invoke(app, ["review", version.release, "--import", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "1 new verdicts" in ran.output
    assert "candidate against base on the holdout" in ran.output


def test_reviews_are_printed_with_their_agreement(subject, exported, tmp_path):
    review.import_verdicts(subject, [verdicts(exported, tmp_path, "gil", prefer_ours)])
    console = Console(width=160, record=True)
    print_reviews(review.reports(subject), console)
    text = console.export_text()
    assert "people" in text
    assert "kappa" in text
