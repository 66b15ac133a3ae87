"""Settings of a training run."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

WITHOUT_ADAPTER = frozenset({"galore", "freeze", "full"})
"""Methods that train weights of the base model itself."""


class TrainingConfig(BaseModel):
    """How an adapter is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    objective: Literal["sft", "dpo", "kto"] = "sft"
    """sft: learn the answers. dpo: learn from pairs of a better and a worse answer. kto: learn
    from answers marked as wanted or not."""
    loss_on: Literal["completion", "assistant"] = "completion"
    """sft: learn the last answer of a conversation, or every turn of the assistant."""
    beta: float = Field(default=0.1, gt=0)
    """dpo and kto: how strongly the model is held to its base; lower lets it go further."""
    method: Literal[
        "qlora", "lora", "rslora", "dora", "pissa", "loraplus", "galore", "freeze", "full"
    ] = "qlora"
    """What is trained and how; docs/training-methods.md says when to use which."""
    rank: int = Field(default=16, ge=1)
    """Width of the two adapter matrices; for galore of the projected gradient."""
    loraplus_ratio: float | None = Field(default=None, ge=1)
    """Adapters: learning rate of matrix B over that of A, which is `learning_rate`; unset: 16 for
    loraplus, 1 for the others."""
    trainable_layers: int = Field(default=2, ge=1)
    """freeze: how many of the last layers are trained."""
    alpha: int = Field(default=32, ge=1)
    """LoRA scale: the adapter's output is multiplied by alpha / rank."""
    dropout: float = Field(default=0.05, ge=0, lt=1)
    """Dropout on the adapter's input, probability."""
    neftune_alpha: float | None = Field(default=None, gt=0)
    """Noise on the embeddings while training (NEFTune); 5 is usual."""
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Modules that get an adapter: every linear one but the head, or these names."""
    epochs: float = Field(default=3, gt=0)
    """Passes over the training records."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; where set, it decides and not `epochs`."""
    batch_size: int = Field(default=4, ge=1)
    """Records per process and forward pass."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Forward passes per optimizer step."""
    n_processes: int = Field(default=1, ge=1)
    """Training processes, one per GPU (data parallel). Records per optimizer step are batch_size x
    gradient_accumulation x n_processes."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = "cosine"
    """Learning rate after the warmup."""
    warmup_fraction: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps in which the learning rate grows from 0 to its peak."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of AdamW."""
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    """Decay of AdamW's second moment; 0.95 suits runs of under a hundred steps."""
    optimizer: Literal["paged_adamw_8bit", "adamw_8bit", "adamw_torch"] = "paged_adamw_8bit"
    """As transformers names it; a paged one needs CUDA and is replaced elsewhere."""
    max_seq_tokens: int = Field(default=1024, ge=16)
    """Records longer than this are left out of training and counted: cut, they lose their end."""
    source_fractions: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}
    """Source -> share of its training records that is trained on; sources not named are whole."""
    group_by_length: bool = False
    """Batch records of similar length: less padding, but where sources differ in length, batches
    of one source, from which a short run learns less."""
    packing: bool = False
    """sft: join records up to `max_seq_tokens` without padding. Attention stays inside a record."""
    activation_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third slower."""
    validate_every_steps: int | None = Field(default=None, ge=1)
    """Steps between two measurements of the validation loss; unset: only at the end."""
    early_stopping_patience: int | None = Field(default=None, ge=1)
    """Measurements without improvement after which training stops; the best checkpoint is kept."""
    checkpoint_every_steps: int = Field(default=50, ge=1)
    """Steps between two checkpoints: the most that kill -9 can cost."""
    allow_shorter_sequences: bool = False
    """When memory runs out at a batch of 1: leave out the longest records instead of stopping."""
    price_per_hour: float | None = Field(default=None, ge=0)
    """What an hour of the machine costs, in any currency; unset: no cost is shown."""
    seed: int = 0
    """Seed of the adapter's first weights, dropout and record order."""
    deterministic: bool = False
    """Bit-identical repetitions on CUDA too, slower; on a CPU they always are."""

    @model_validator(mode="after")
    def _method_has_an_adapter(self) -> "TrainingConfig":
        if self.loraplus_ratio is not None and self.method in WITHOUT_ADAPTER:
            raise ValueError(f"loraplus_ratio is for adapters; method {self.method} has none")
        return self

    @model_validator(mode="after")
    def _objective_fits_method(self) -> "TrainingConfig":
        if self.objective == "sft":
            return self
        if self.method in {"pissa", *WITHOUT_ADAPTER}:
            raise ValueError(
                f"objective {self.objective} compares with the base model, which method "
                f"{self.method} changes; use qlora, lora, rslora, dora or loraplus"
            )
        if self.packing:
            raise ValueError("packing is for the objective sft only")
        return self

    @model_validator(mode="after")
    def _early_stopping_measures(self) -> "TrainingConfig":
        if self.early_stopping_patience is not None and self.validate_every_steps is None:
            raise ValueError("early_stopping_patience needs validate_every_steps")
        every = self.validate_every_steps
        if self.early_stopping_patience is not None and self.checkpoint_every_steps != every:
            raise ValueError(
                "early stopping keeps the best checkpoint: "
                "checkpoint_every_steps must equal validate_every_steps"
            )
        return self
