"""The merged model is the adapter's model, or there is none."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tuneline.base_model import BaseModelRef, load_model, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.records import Record
from tuneline.reports import Fidelity, TrainingReport
from tuneline.training import merging
from tuneline.training.chat_format import encode
from tuneline.training.merging import merge, parity_of
from tuneline.training.saving import trained_files


@pytest.fixture(scope="module")
def adapter(trained: tuple[Path, TrainingReport]) -> Path:
    return trained[0] / "adapter"


@pytest.fixture(scope="module")
def merged(
    tiny_model: BaseModelRef,
    adapter: Path,
    records: list[Record],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Fidelity]:
    """Folder of the merged model, and how near it is to the adapter."""
    out = tmp_path_factory.mktemp("merged")
    return out, merge(tiny_model.folder, adapter, records[:8], this_machine(), out)


def logits(model: Any, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(input_ids=torch.tensor([row], device=model.device)).logits[0].float()


def test_the_merged_model_agrees_with_its_adapter(merged: tuple[Path, Fidelity]):
    assert 0.98 <= merged[1].top1_agreement <= 1
    assert 0 < merged[1].kl < merging.MAX_KL


def test_what_merging_measured_lies_beside_the_weights(merged: tuple[Path, Fidelity]):
    assert parity_of(merged[0]) == merged[1]


def test_a_folder_that_was_not_merged_has_no_parity(tiny_model: BaseModelRef):
    assert parity_of(tiny_model.folder) is None


def test_parity_is_what_torch_computes_from_both_models(
    merged: tuple[Path, Fidelity], tiny_model: BaseModelRef, adapter: Path, records: list[Record]
):
    from peft import PeftModel

    machine = this_machine()
    base = load_model(tiny_model.folder, machine)
    with_adapter = PeftModel.from_pretrained(base, str(adapter))
    alone = load_model(merged[0], machine)
    tokenizer, kl, n = load_tokenizer(merged[0]), 0.0, 0
    for record in records[:8]:
        row = encode(record, tokenizer)
        is_answer = torch.tensor(row.labels[1:]) >= 0
        p, q = (logits(m, row.input_ids)[:-1][is_answer].log_softmax(-1)
                for m in (with_adapter, alone))  # fmt: skip
        kl += float(torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True))
        n += int(is_answer.sum())
    assert merged[1].n_tokens == n
    assert merged[1].kl == pytest.approx(kl / n, rel=0.02, abs=1e-5)


def test_the_merged_model_loads_without_peft_and_computes_what_the_adapter_computes(
    merged: tuple[Path, Fidelity], tiny_model: BaseModelRef, adapter: Path, records: list[Record]
):
    from peft import PeftModel

    machine = this_machine()
    row = encode(records[33], load_tokenizer(merged[0])).input_ids
    alone = load_model(merged[0], machine)
    assert type(alone).__name__ == "Qwen2ForCausalLM"
    with_adapter = PeftModel.from_pretrained(load_model(tiny_model.folder, machine), str(adapter))
    base = load_model(tiny_model.folder, machine)
    ours, theirs, untrained = (logits(m, row) for m in (alone, with_adapter, base))
    # bfloat16 has 8 bits: merging rounds each weight by up to 1/256 of itself.
    assert (ours - theirs).abs().max() < 0.05 * (theirs - untrained).abs().max()


def test_the_merged_weights_are_16_bit_and_come_with_the_tokenizer(merged: tuple[Path, Fidelity]):
    from safetensors.torch import load_file

    weights = load_file(merged[0] / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {this_machine().for_storage.dtype}
    assert this_machine().for_storage.dtype.itemsize == 2
    assert not [name for name in weights if "lora" in name]
    assert load_tokenizer(merged[0]).chat_template


def test_the_files_of_an_adapter_are_all_that_merging_reads(adapter: Path):
    assert {"adapter_config.json", "adapter_model.safetensors"} == set(trained_files(adapter))
    assert all((adapter / name).is_file() for name in trained_files(adapter))


def test_a_merge_that_changes_the_model_writes_nothing(
    tiny_model: BaseModelRef, adapter: Path, records: list[Record], tmp_path: Path, monkeypatch
):
    """Weights damaged while merging: every head weight changes its sign."""
    from peft.tuners.lora import LoraModel

    merge_and_unload = LoraModel.merge_and_unload

    def damaged(self: Any) -> Any:
        model = merge_and_unload(self)
        model.get_output_embeddings().weight.data.neg_()
        return model

    monkeypatch.setattr(LoraModel, "merge_and_unload", damaged)
    with pytest.raises(TrainingError, match=r"agrees with its adapter on \d+\.\d% of answer tok"):
        merge(tiny_model.folder, adapter, records[:4], this_machine(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_merge_that_keeps_the_top_token_but_not_the_distribution_writes_nothing(
    tiny_model: BaseModelRef, adapter: Path, records: list[Record], tmp_path: Path, monkeypatch
):
    """Weights of the head times 20 while merging: the same order, another temperature."""
    from peft.tuners.lora import LoraModel

    merge_and_unload = LoraModel.merge_and_unload

    def sharpened(self: Any) -> Any:
        model = merge_and_unload(self)
        model.get_output_embeddings().weight.data.mul_(20)
        return model

    monkeypatch.setattr(LoraModel, "merge_and_unload", sharpened)
    with pytest.raises(TrainingError, match=r"nats per token \(KL\).*at most 0.02"):
        merge(tiny_model.folder, adapter, records[:4], this_machine(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_adapter_is_never_merged_into_4_bit_weights(
    tiny_model: BaseModelRef, adapter: Path, records: list[Record], tmp_path: Path
):
    from tuneline.quantization.bits_and_bytes import nf4

    quantized, out = tmp_path / "nf4", tmp_path / "out"
    quantized.mkdir()
    out.mkdir()
    nf4(tiny_model.folder, this_machine(), quantized, ())
    with pytest.raises(TrainingError, match="is quantized; an adapter is merged into 16-bit"):
        merge(quantized, adapter, records[:4], this_machine(), out)
    assert not list(out.iterdir())


def test_the_limit_is_the_limit(
    tiny_model: BaseModelRef, adapter: Path, records: list[Record], tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(merging, "MIN_AGREEMENT", 1.01)
    with pytest.raises(TrainingError, match="at least 101% are needed"):
        merge(tiny_model.folder, adapter, records[:4], this_machine(), tmp_path)
