"""Exports of a real (tiny) model answer as the registered adapter does."""

import json
from datetime import date
from pathlib import Path

import pytest

from flows.export import export
from tasks import export as exporting
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.profile import load_profile
from tuneline.registry import Registry

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def version(prefect_server, workspace_dir, tiny_model, trained):
    """A registered release with the lineage that a retraining writes."""
    settings = load_profile(str(ROOT / "profiles" / "smoke.yaml"))
    folder, _ = trained
    return Registry(tracking.tracking_uri()).register(
        "exported",
        adapter=folder / "adapter",
        candidate="c1",
        day=date(2025, 4, 1),
        lineage={
            "base_model": "random:tiny-qwen2",
            "base_model_revision": "",
            "data_digest": "data that is not here",
            "profile": settings.model_dump(mode="json"),
        },
        run_id=tracking.open_run("exported", "c1"),
        description="",
        actor="ann",
    )


def answers(model, folder, records):
    """Greedy tokens of the first answers."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    said = []
    for record in records[:8]:
        messages = [{"role": m.role, "content": m.content} for m in record.prompt]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            out = model.generate(**ids, max_new_tokens=4, do_sample=False)
        said.append(out[0, ids["input_ids"].shape[1] :].tolist())
    return said


def with_adapter(tiny_model, adapter):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_model.folder, dtype=torch.bfloat16)
    return PeftModel.from_pretrained(base, adapter).eval()


@pytest.fixture(scope="module")
def expected(version, tiny_model, records, tmp_path_factory):
    """What the registered adapter answers."""
    registry = Registry(tracking.tracking_uri())
    adapter = registry.download(version, tmp_path_factory.mktemp("registered"))
    return answers(with_adapter(tiny_model, adapter), tiny_model.folder, records)


def test_an_exported_adapter_answers_as_the_registered_one(
    version, tiny_model, records, expected, tmp_path
):
    folder = Path(export("exported", version.release, "adapter", str(tmp_path)))
    assert folder.name.startswith(f"{version.release}-adapter-")
    assert answers(with_adapter(tiny_model, folder), tiny_model.folder, records) == expected
    about = json.loads((folder / "export.json").read_text())
    assert about["model"] == "models:/exported/1"
    assert set(about["files"]) == {"adapter_config.json", "adapter_model.safetensors"}


def test_a_merged_export_loads_in_transformers_alone_and_answers_as_the_adapter(
    version, records, expected, tmp_path
):
    import torch
    from transformers import AutoModelForCausalLM

    folder = Path(export("exported", version.release, "merged", str(tmp_path)))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    assert answers(model, folder, records) == expected
    again = export("exported", version.number, "merged", str(tmp_path))
    assert [str(found) for found in tmp_path.iterdir()] == [again]


def test_what_a_comparison_logged_is_what_is_exported(version, tmp_path):
    made = tmp_path / "nf4"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"as it was measured")
    Registry(tracking.tracking_uri()).attach(version, "nf4", made)
    folder = Path(export("exported", version.release, "nf4", str(tmp_path / "out")))
    assert (folder / "model.safetensors").read_bytes() == b"as it was measured"


def test_a_format_that_nobody_writes_is_refused_before_any_work():
    with pytest.raises(RegistryError, match="'onnx' is no format; there are adapter, merged"):
        exporting.check("onnx")
