"""The trained adapter as it leaves the training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.base_model import BaseModelRef

if TYPE_CHECKING:
    from trl import SFTTrainer


def save_adapter(trainer: "SFTTrainer", base_model: BaseModelRef, out: Path) -> None:
    """Save the adapter; it names its base model and no folder of this machine."""
    trainer.model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # names the folder, and little else
    config = out / "adapter_config.json"
    settings = json.loads(config.read_text()) | {"base_model_name_or_path": base_model.name}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True))
