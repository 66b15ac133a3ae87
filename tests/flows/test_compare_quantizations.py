"""Quantizations of a registered release, with a real Prefect server and a real registry."""

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.compare_quantizations import ComparedRelease, compare_quantizations
from tasks import base_model, data, training
from tasks.lineage import lineage_of
from tuneline.errors import ProfileError, RegistryError
from tuneline.profile import load_profile
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.registry import Registry, Version
from tuneline.store import file_digests
from tuneline.tracking import open_run, tracking_uri

ROOT = Path(__file__).parent.parent.parent
DOMAIN = "small"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def released(prefect_server: str) -> Version:
    """A release of the smoke profile, made without what comes after training."""
    path = str(ROOT / "examples" / "lawyer" / "overruling.jsonl")
    changes = {"domain": DOMAIN, "data.sources.0.path": path}
    settings = load_profile(str(ROOT / "profiles" / "smoke.yaml"), changes)
    splits = data.prepare(settings, base_model.tokenizer(settings.base_model))
    base = base_model.get(settings.base_model)
    adapter = training.train(settings, splits, base, lambda metrics, step: None)
    return Registry(tracking_uri()).register(
        DOMAIN, adapter=training.adapter_of(adapter), candidate="first", day=date(2026, 4, 1),
        lineage=lineage_of(settings, splits, base, adapter), run_id=open_run(DOMAIN, "first"),
        description="", actor="ann",
    )  # fmt: skip


@pytest.fixture(scope="module")
def compared(released: Version) -> ComparedRelease:
    settings = {"quantization.max_prompts": 6, "quantization.fidelity_tokens": 20}
    return compare_quantizations(DOMAIN, released.release, ["int8"], settings)


def test_the_variants_asked_for_are_measured_beside_their_reference(compared: ComparedRelease):
    reference, int8 = compared.report.variants
    assert (reference.name, int8.name, compared.report.n_prompts) == ("bf16", "int8", 6)
    assert reference.gate is None
    assert int8.gate is not None
    assert int8.slices["all"].n == int8.exact + int8.similar + int8.different == 6
    assert int8.fidelity is not None
    assert int8.fidelity.n_tokens >= 6
    assert int8.stored is not None
    assert int8.stored.tensor_types["int8"] == 14
    assert int8.load_s > 0
    assert compared.report.merge_parity is not None
    assert [(floor.reference, floor.n) for floor in compared.report.noise] == [("bf16", 6)]


def test_no_scratch_is_left(compared: ComparedRelease, workspace_dir: Path):
    assert not list((workspace_dir / "work").glob("distributions-*"))


def test_what_is_recommended_is_logged_with_the_release_and_comes_back_the_same(
    compared: ComparedRelease, released: Version, tmp_path: Path
):
    """Six prompts cannot tell a variant from its reference, so the reference is recommended."""
    assert list(compared.attached) == ["bf16"]
    folder = Registry(tracking_uri()).attached(released, "bf16", tmp_path)
    digests = file_digests(Path(compared.report.variants[0].folder))
    assert digests.items() <= file_digests(folder).items()
    assert QUANTIZATIONS["bf16"].inspect(folder).bits_per_weight == 16


def test_report_and_picture_are_kept_and_on_the_run_page(compared: ComparedRelease):
    from prefect.client.orchestration import get_client

    names = {path.name for path in Path(compared.folder).iterdir()}
    assert {"report.json", "pareto.png"} <= names
    with get_client(sync_client=True) as prefect:
        artifacts = {a.key: a for a in prefect.read_artifacts()}
    page = str(artifacts[f"{DOMAIN}-quantization-report"].data)
    assert "int8 against bf16" in page
    assert "data:image/png;base64," in page


def test_the_command_prints_verdict_and_recommendation(
    compared: ComparedRelease, released: Version
):
    arguments = ["compare-quantizations", DOMAIN, "1", "--variants", "int8"]
    settings = ["quantization.max_prompts=6", "quantization.fidelity_tokens=20"]
    done = CliRunner().invoke(app, [*arguments, *(p for s in settings for p in ("--set", s))])
    assert done.exit_code == 0, done.output
    assert "int8 against bf16" in done.output
    assert "attached.bf16" in done.output


def test_an_unknown_variant_is_an_error_before_any_work(released: Version):
    with pytest.raises(ProfileError, match="'q4' is not known"):
        compare_quantizations(DOMAIN, released.release, ["q4"])


def test_files_that_were_changed_are_refused(
    compared: ComparedRelease, released: Version, tmp_path: Path, monkeypatch
):
    import mlflow.artifacts

    download = mlflow.artifacts.download_artifacts

    def damaged(*args: object, **kwargs: object) -> str:
        folder = download(*args, **kwargs)
        with Path(folder, "model.safetensors").open("ab") as file:
            file.write(b"x")
        return str(folder)

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", damaged)
    with pytest.raises(RegistryError, match=r"model\.safetensors differs"):
        Registry(tracking_uri()).attached(released, "bf16", tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_name_that_was_not_attached_is_an_error(
    compared: ComparedRelease, released: Version, tmp_path: Path
):
    with pytest.raises(RegistryError, match="no files named nf4; it has bf16"):
        Registry(tracking_uri()).attached(released, "nf4", tmp_path)


def test_the_download_of_a_version_is_the_adapter_alone(
    compared: ComparedRelease, released: Version, tmp_path: Path
):
    folder = Registry(tracking_uri()).download(released, tmp_path)
    assert not (folder / "model.safetensors").exists()
    assert json.loads((folder / "lineage.json").read_text())["domain"] == DOMAIN
