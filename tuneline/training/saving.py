"""What a training gives: an adapter, or the trained weights alone, beside an untouched base."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import BaseModelRef
from tuneline.export import share_weights
from tuneline.machine import Machine
from tuneline.training import ranks

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "weights.safetensors"
"""Trained weights of a method without adapter, by parameter name, in 16 bit."""
WEIGHTS_CONFIG = "weights_config.json"


def trained_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that make what was trained."""
    if (folder / ADAPTER_CONFIG).exists():
        return ADAPTER_CONFIG, ADAPTER_WEIGHTS
    return WEIGHTS_CONFIG, WEIGHTS


def save_initial(model: "PeftModel | PreTrainedModel", folder: Path) -> Path | None:
    """Save the adapter before training where saving after it needs it (PiSSA); else nothing."""
    settings = getattr(model, "peft_config", None)
    if settings is None or settings["default"].init_lora_weights != "pissa":
        return None
    if ranks.is_main():
        model.save_pretrained(folder)
    return folder


def save_trained(
    model: "PeftModel | PreTrainedModel",
    base_model: BaseModelRef,
    machine: Machine,
    initial: Path | None,
    out: Path,
) -> None:
    """Write what was trained; it names its base model and no folder of this machine.

    Args:
        model: After training.
        base_model: What it was trained from.
        machine: Decides the 16-bit type of trained weights.
        initial: What `save_initial` returned: the adapter is then saved as the change since.
        out: A folder to be made.
    """
    if hasattr(model, "peft_config"):
        _save_adapter(model, base_model.name, initial, out)
    else:
        _save_weights(model, base_model.name, machine, out)
    share_weights(out / trained_files(out)[0])


def attach(model: "PreTrainedModel", trained: Path) -> "PeftModel | PreTrainedModel":
    """The base model with what was trained on it."""
    if (trained / ADAPTER_CONFIG).exists():
        from peft import PeftModel

        return PeftModel.from_pretrained(model, str(trained))
    from safetensors.torch import load_file

    weights = load_file(trained / WEIGHTS)
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{trained / WEIGHTS} does not fit its base model: {unknown[:3]}")
    return model


def _save_adapter(model: Any, base_name: str, initial: Path | None, out: Path) -> None:
    since = {"path_initial_model_for_weight_conversion": str(initial)} if initial else {}
    with warnings.catch_warnings():
        # peft warns of what `initial` is for: PiSSA's own base is not the base model.
        warnings.filterwarnings("ignore", message="PiSSA changes the base weights")
        model.save_pretrained(out, **since)
    (out / "README.md").unlink(missing_ok=True)  # names the folder, and little else
    config = out / ADAPTER_CONFIG
    settings = json.loads(config.read_text()) | {"base_model_name_or_path": base_name}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True))


def _save_weights(model: Any, base_name: str, machine: Machine, out: Path) -> None:
    from safetensors.torch import save_file

    dtype = machine.for_storage.dtype
    out.mkdir()
    weights = {
        name: parameter.detach().to("cpu", dtype).contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    settings = {"base_model_name_or_path": base_name, "n_tensors": len(weights)}
    (out / WEIGHTS_CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True))
