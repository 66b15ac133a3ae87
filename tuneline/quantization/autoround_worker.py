"""The process in which AutoRound runs: `python -m tuneline.quantization.autoround_worker ORDER`."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Carry out an order, as `tuneline.quantization.autoround` writes it."""
    import torch
    from auto_round import AutoRound
    from transformers import AutoModelForCausalLM

    from tuneline.base_model import load_tokenizer

    order = json.loads(Path(sys.argv[1]).read_text())
    samples = [torch.tensor([ids]) for ids in order["samples"]]
    model = AutoModelForCausalLM.from_pretrained(order["source"], dtype=torch.bfloat16)
    rounding = AutoRound(
        model,
        load_tokenizer(Path(order["source"])),
        bits=4,
        group_size=order["group_size"],
        sym=order["packing"] == "auto_gptq",
        iters=order["iterations"],
        dataset=samples,
        nsamples=len(samples),
        seqlen=samples[0].shape[1],
        batch_size=min(8, len(samples)),
        device_map=order["device"],
        enable_torch_compile=False,
        low_cpu_mem_usage=False,
    )
    rounding.quantize_and_save(order["out"], format=order["packing"])


if __name__ == "__main__":
    main()
