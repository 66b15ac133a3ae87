"""Tuneline's training stage on a job: `python -m benchmarks.training_ours job.json`.

The tokens are those of the logs of TRL's trainer, as for `bare_trl`.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.training_job import records_of


def main() -> None:
    """Train, and write what was measured."""
    job = SimpleNamespace(**json.loads(Path(sys.argv[1]).read_text()))
    import torch

    from tuneline.base_model import BaseModelRef
    from tuneline.machine import this_machine
    from tuneline.training.config import TrainingConfig
    from tuneline.training.trainer import train

    config = TrainingConfig.model_validate(
        {
            "method": job.method,
            "rank": job.rank,
            "alpha": job.alpha,
            "dropout": job.dropout,
            "epochs": job.epochs,
            "batch_size": job.batch_size,
            "learning_rate": job.learning_rate,
            "schedule": "cosine",
            "warmup_fraction": job.warmup_fraction,
            "optimizer": job.optimizer,
            "max_seq_tokens": job.max_tokens,
            "activation_checkpointing": job.activation_checkpointing,
            "checkpoint_every_steps": 500,
            "seed": job.seed,
            **job.more,
        }
    )
    logged: dict[str, float] = {}
    base = BaseModelRef(Path(job.model), "", "base")
    records: list[Any] = records_of(Path(job.rows))
    report = train(
        base,
        records,
        [],
        config,
        this_machine(),
        Path(job.out),
        log_metrics=lambda metrics, step: logged.update(metrics),
    )
    result = {
        "steps": report.n_steps,
        "train_s": logged["train_runtime"],
        "tokens": int(logged["num_tokens"]) if "num_tokens" in logged else None,
        "losses": [loss for _, loss in report.losses],
        "trainable_parameters": report.n_trainable_parameters,
        "peak_gpu_mib": round(torch.cuda.max_memory_allocated() / 2**20),
    }
    (Path(job.out) / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
