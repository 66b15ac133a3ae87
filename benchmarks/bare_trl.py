"""LoRA or QLoRA with TRL alone, as its documentation shows it: the peer of `benchmarks.training`.

`python benchmarks/bare_trl.py job.json` trains what the job says (see `training_job.Job`), writes
the adapter and `result.json` into the job's folder, and knows nothing of Tuneline.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer


def main() -> None:
    """Train, save, and write what was measured."""
    job = SimpleNamespace(**json.loads(Path(sys.argv[1]).read_text()))
    rows = [json.loads(line)["messages"] for line in Path(job.rows).read_text().splitlines()]
    data = Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in rows])
    dtype = getattr(torch, job.dtype)
    kwargs = {"dtype": dtype, "attn_implementation": job.attention}
    if job.method == "qlora":
        kwargs["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    adapter = LoraConfig(
        r=job.rank,
        lora_alpha=job.alpha,
        lora_dropout=job.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    arguments = SFTConfig(
        output_dir=job.out,
        model_init_kwargs=kwargs,
        num_train_epochs=job.epochs,
        per_device_train_batch_size=job.batch_size,
        learning_rate=job.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=job.warmup_fraction,
        optim=job.optimizer,
        max_length=job.max_tokens,
        completion_only_loss=True,
        activation_checkpointing=job.activation_checkpointing,
        bf16=job.dtype == "bfloat16",
        fp16=job.dtype == "float16",
        use_cpu=job.device == "cpu",
        dataloader_pin_memory=job.device == "cuda",
        logging_steps=1,
        seed=job.seed,
        data_seed=job.seed,
        report_to="none",
    )
    trainer = SFTTrainer(job.model, args=arguments, train_dataset=data, peft_config=adapter)
    trainer.train()
    trainer.save_model(str(Path(job.out) / "adapter"))
    logs = trainer.state.log_history
    result = {
        "steps": trainer.state.global_step,
        "train_s": logs[-1]["train_runtime"],
        "tokens": int([log["num_tokens"] for log in logs if "num_tokens" in log][-1]),
        "losses": [log["loss"] for log in logs if "loss" in log],
        "trainable_parameters": trainer.model.num_parameters(only_trainable=True),
        "peak_gpu_mib": round(torch.cuda.max_memory_allocated() / 2**20),
    }
    (Path(job.out) / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
