"""Settings of the data stage: where records come from and what may stay."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneline.data.cleaning.config import CleaningConfig
from tuneline.data.reading.config import SourceConfig

__all__ = [
    "CleaningConfig",
    "DataConfig",
    "NearDedupConfig",
    "SemanticDedupConfig",
    "SourceConfig",
    "SplitConfig",
]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class NearDedupConfig(_Settings):
    """When two records count as the same, and which of them stays."""

    enabled: bool = True
    """Drop near-duplicates inside the data; the check between splits is always made."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of word pairs (Chinese: character pairs) from which texts are near."""
    compare: Literal["both", "prompt", "answer"] = "both"
    """What is compared. both: prompt and answer together, and the answers by themselves too, so
    that two clauses with the labels Yes and No both stay."""
    keep: Literal["first", "longest_answer", "source_order"] = "first"
    """Which record of a cluster stays, among those on the cluster's side of the split. first: the
    one with the smallest split position. source_order: of the source that is named first."""


class SemanticDedupConfig(_Settings):
    """Records that say the same in other words; off until a model is named."""

    model: str | None = None
    """`tfidf` (fitted on the data, needs no model), or a folder or hub id of a sentence-embedding
    model. A tokenizer that does not know more than 10 % of the data's characters is refused."""
    threshold: float = Field(default=0.95, gt=0, le=1)
    """Cosine similarity from which two records count as the same."""


class SplitConfig(_Settings):
    """Shares of the holdout and of validation."""

    holdout_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Least share of records that are never trained on; what was held out once stays held out."""
    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of groups that training watches its loss on."""
    leak_threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity to a hidden record from which a training record is a leak. It has a
    setting of its own, so that milder dedup does not mean a leaking holdout."""
    stratify: Literal["none", "source", "label"] = "none"
    """Reach the holdout's share in every source, or in every label (short answer) of each."""
    holdout_generation: int = Field(default=0, ge=0)
    """Another number starts a fresh holdout from records that no run used before. What other
    generations held out is dropped: neither trained on nor measured on. Raise it when the holdout
    is worn (see `evaluation.max_looks`)."""

    @model_validator(mode="after")
    def _check_sum(self) -> "SplitConfig":
        if self.holdout_fraction + self.validation_fraction >= 1:
            raise ValueError("holdout_fraction + validation_fraction leave nothing to train on")
        return self


class DataConfig(_Settings):
    """Everything that decides which records are trained on and which are held out."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """Files to read; names are unique."""
    cleaning: CleaningConfig = CleaningConfig()
    """Rules for single records."""
    near_dedup: NearDedupConfig = NearDedupConfig()
    """Similarity between records."""
    semantic_dedup: SemanticDedupConfig = SemanticDedupConfig()
    """Similarity of meaning between records."""
    split: SplitConfig = SplitConfig()
    """Shares of train, validation and holdout."""
    benchmarks: tuple[SourceConfig, ...] = ()
    """Files that must not be trained on (decontamination): records near one of theirs are dropped
    from train and validation."""
    max_bad_fraction: float = Field(default=0.05, ge=0, le=1)
    """Share of unusable rows in one source from which the run stops."""
    memory_mib: int = Field(default=1024, ge=64)
    """Memory for what is in hand of texts, sketches and keys; beside it stands what the program
    itself takes. Rows on disk may be many more, up to about 4,500 for each MiB: a run of more is
    refused before they are compared."""
    engine: str = Field(default="local", pattern=r"^(local|(tcp|tls|ucx)://.+)$")
    """local: this machine's processes. `tcp://host:8786`: the Dask scheduler of a cluster whose
    workers see the same files and the same workspace."""

    @property
    def least_threshold(self) -> float:
        """The lowest similarity that must not be missed."""
        return min(self.near_dedup.threshold, self.split.leak_threshold)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [source.name for source in (*self.sources, *self.benchmarks)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"source names appear twice: {', '.join(twice)}")
        return self
