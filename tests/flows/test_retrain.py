"""The smoke line with a real Prefect server, a real MLflow registry, a real (tiny) model."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from flows.evaluate_release import evaluate_release
from flows.retrain import Retrained, retrain
from flows.rollback import rollback
from tasks import promotion, release
from tuneline import tracking
from tuneline.registry import Registry
from tuneline.reporting.facts import ReleaseFacts
from tuneline.store import file_digest
from tuneline.tracking import tracking_uri

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module", autouse=True)
def own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A workspace where nothing was trained yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("retrain")))
        yield


@pytest.fixture(scope="module")
def first(prefect_server: str, own_workspace: None) -> Retrained:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return retrain("smoke")


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def client() -> MlflowClient:
    return MlflowClient(tracking_uri(), tracking_uri())


def test_every_record_is_kept_or_dropped_with_a_reason(first: Retrained):
    dropped = sum(sum(reasons.values()) for reasons in first.data.dropped.values())
    assert first.data.n_read == first.data.n_kept + dropped
    assert first.data.n_kept == sum(sum(s.values()) for s in first.data.splits.values())


def test_the_first_candidate_beats_the_base_and_becomes_champion(first: Retrained):
    assert first.decision.verdict == "promote"
    assert first.decision.baseline == "base"
    assert first.alias == "champion"
    assert first.version is not None
    assert first.version.release.startswith("v1.0-smoke-")


def test_a_plain_mlflow_client_finds_the_champion_with_tag_and_lineage(
    first: Retrained, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert first.version is not None
    version = client.get_model_version_by_alias("smoke", "champion")
    assert version.tags["release"] == first.version.release
    # Not mlflow.set_tracking_uri, which sets the variable for every test and process after this.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    folder = Path(download_artifacts("models:/smoke@champion", dst_path=str(tmp_path)))
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"adapter_model.safetensors", "adapter_config.json", "lineage.json"} <= names
    assert "model.safetensors" not in names, "the adapter is registered, never the base"
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["profile"]["training"]["seed"] == 0
    assert lineage["packages"]["torch"]
    assert lineage["data_files"].keys() == {"examples/lawyer/overruling.jsonl"}


def test_the_mlflow_run_is_finished_and_holds_the_loss_curve(
    first: Retrained, client: MlflowClient
):
    assert first.version is not None
    run = client.get_run(first.version.run_id)
    assert run.info.status == "FINISHED"
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert len(losses) == 24
    assert losses[-1].value < losses[0].value
    training = {file.path for file in client.list_artifacts(run.info.run_id, "training")}
    assert "training/loss_curve.png" in training
    data = {file.path for file in client.list_artifacts(run.info.run_id, "data")}
    assert {"data/report.html", "data/certificate.json", "data/dropped.jsonl"} <= data
    contexts = {
        rows.dataset.name: {tag.key: tag.value for tag in rows.tags}["mlflow.data.context"]
        for rows in run.inputs.dataset_inputs
    }
    assert contexts == {"train": "training", "validation": "validation", "holdout": "holdout"}


def test_the_run_page_shows_tables_picture_and_verdict(first: Retrained):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as prefect:
        keys = {artifact.key for artifact in prefect.read_artifacts()}
    assert {
        "smoke-data",
        "smoke-data-advice",
        "smoke-data-files",
        "smoke-data-leaks",
        "smoke-training",
        "smoke-against-base",
        "smoke-metrics",
        "smoke-quantizations",
        "smoke-verdict",
        "smoke-holdout",
        "smoke-slices-against-base",
        "smoke-release-report",
    } <= keys


def test_the_run_holds_a_page_with_the_release_name_and_its_digest_is_the_evidence(
    first: Retrained, client: MlflowClient
):
    assert first.version is not None
    names = tracking.artifact_names(first.version.run_id, "release")
    assert names == ["release/facts.json", "release/outcome.json", "release/report.html"]
    page = tracking.read_artifact(first.version.run_id, "release/report.html").decode()
    assert f"<h1>{first.version.release}</h1>" in page
    assert page == Path(first.places["release report"]).read_text(encoding="utf-8")
    stored = tracking.read_artifact(first.version.run_id, "release/facts.json")
    facts = msgspec.json.decode(stored, type=ReleaseFacts)
    promotion = Registry(tracking_uri()).history("smoke")[1]
    assert (promotion.kind, promotion.evidence) == ("promote", facts.digest)
    assert facts.digest in page
    assert facts.n_rows == 20
    assert {row.source for row in facts.rows} == {"overruling"}


def test_looks_slices_and_regressions_are_part_of_every_run(first: Retrained, client: MlflowClient):
    deciding, path = first.comparisons[-1], Path(first.places["regressions"])
    assert first.look is not None
    assert first.look.number >= 1
    assert {"overruling: Yes", "overruling: No"} <= {part.value for part in deciding.slices}
    assert deciding.regressions is not None
    assert deciding.regressions.digest == file_digest(path)
    assert deciding.regressions.n == len(path.read_text().splitlines())
    assert first.version is not None
    run = client.get_run(first.version.run_id)
    assert run.data.metrics["holdout/look"] == first.look.number
    files = {file.path for file in client.list_artifacts(run.info.run_id, "evaluation")}
    assert "evaluation/regressions.jsonl" in files
    assert any("that base has right are no longer right" in r for r in first.decision.reasons)


def test_every_variant_answers_the_same_prompts(first: Retrained):
    reference, *variants = first.quantizations.variants
    n = first.quantizations.n_prompts
    assert (reference.name, reference.exact) == ("bf16", n)
    assert [v.name for v in variants] == ["nf4"]
    assert all(v.exact + v.similar + v.different == n for v in variants)


def test_a_second_run_reuses_every_stage_and_changes_nothing(first: Retrained):
    events = Registry(tracking_uri()).history("smoke")
    again = retrain("smoke")
    assert [stage.name for stage in again.stages if not stage.is_reused] == []
    assert again.version == first.version
    assert again.decision == first.decision
    assert again.look == first.look
    assert Registry(tracking_uri()).history("smoke") == events


def test_only_what_follows_a_changed_setting_runs_again(first: Retrained):
    again = retrain("smoke", {"evaluation.generation.max_new_tokens": 3})
    rerun = {stage.name for stage in again.stages if not stage.is_reused}
    assert "answers of candidate" in rerun
    assert not {"prepare data", "train", "merge candidate"} & rerun


@pytest.mark.slow
def test_a_candidate_worse_than_the_champion_is_refused_with_reasons(
    first: Retrained, client: MlflowClient
):
    registry = Registry(tracking_uri())
    champion = registry.champion("smoke")
    n_versions = len(client.search_model_versions("name = 'smoke'"))
    worse = retrain("smoke", {"training.max_steps": 1, "training.learning_rate": 1e-6})
    assert worse.decision.verdict == "refuse"
    assert worse.decision.baseline == "champion"
    assert any("worse" in reason for reason in worse.decision.reasons)
    assert worse.version is None
    page = Path(worse.places["release report"]).read_text(encoding="utf-8")
    assert "No release: a refused candidate of smoke" in page
    assert registry.champion("smoke") == champion
    assert len(client.search_model_versions("name = 'smoke'")) == n_versions
    assert registry.history("smoke")[-1].kind == "refuse"


def test_a_release_is_evaluated_on_the_data_of_today_and_its_look_is_counted_once(
    first: Retrained,
):
    assert first.version is not None
    found = evaluate_release("smoke", first.version.release, profile="smoke")
    assert found.version == first.version
    assert found.report.scores["all"] == first.comparisons[0].candidate.scores["all"]
    assert found.look == first.look


def test_rollback_returns_the_previous_champion_and_says_who_and_why(first: Retrained):
    assert first.version is not None
    registry = Registry(tracking_uri())
    adapter = registry.download(first.version, Path(first.places["answers"]).parent)
    second = registry.register(
        "smoke", adapter=adapter, candidate="another", day=date.today(),
        lineage={}, run_id=first.version.run_id, description="", actor="ann",
    )  # fmt: skip
    promotion.promote("smoke", second.release, "by hand", force=True)
    assert registry.champion("smoke") == second
    assert rollback("smoke", "worse in court") == first.version
    last = registry.history("smoke")[-1]
    assert (last.kind, last.reason) == ("rollback", "worse in court")
    assert last.actor == release.whoami()
