"""From rows in numbers to checks in words. Pure but for the tokenizer's names of tokens."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tuneline.preflight.report import Check, Level
from tuneline.preflight.rows import InspectedRows, RowFacts, TurnEnd
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

N_PLACES = 3
"""Rows named in a sentence."""
NEEDS = {
    "dpo": "a better and a worse answer (fields chosen and rejected)",
    "kto": "a label true or false",
}
"""Objective -> what a record must have for it."""


def row_checks(
    inspected: InspectedRows,
    config: TrainingConfig,
    tokenizer: "PreTrainedTokenizerBase",
    end: TurnEnd,
    stops: Sequence[int],
) -> list[Check]:
    """Template, end of turn, padding, loss and length.

    Args:
        inspected: The training side.
        config: The run's settings.
        tokenizer: Of the base model.
        end: The token that ends an answer.
        stops: Tokens at which the base model's settings stop generation.
    """
    if not inspected.n_records:
        return [_usable(inspected, config)]
    kept = [row for row in inspected.rows if row.n_tokens <= config.max_seq_tokens]
    return [
        _usable(inspected, config),
        _template(inspected),
        _end_of_turn(inspected, kept, tokenizer, end, stops),
        _padding(tokenizer),
        _loss(kept, end),
        _length(inspected, kept, config),
    ]


def _usable(inspected: InspectedRows, config: TrainingConfig) -> Check:
    name, n = "training rows", inspected.n_records + inspected.n_unusable
    if not n:
        return Check(name, "error", "there is no training record; add data")
    if not inspected.n_unusable:
        return Check(name, "ok", f"{n:,} records for objective {config.objective}")
    level: Level = "warning" if inspected.n_records else "error"
    return Check(
        name,
        level,
        f"{inspected.n_unusable:,} of {n:,} records lack {NEEDS[config.objective]}, which "
        f"objective {config.objective} needs; name the fields in the source's columns, or use sft",
    )


def _template(inspected: InspectedRows) -> Check:
    name, of = "chat template", _of(inspected)
    if inspected.faults:
        first, n = inspected.faults[0], len(inspected.faults)
        places = _places(fault.place for fault in inspected.faults)
        return Check(name, "error", f"{n:,} of {of} fail ({places}): {first.reason}")
    changed = [row.place for row in inspected.rows if not row.keeps_answer]
    if changed:
        return Check(
            name,
            "warning",
            f"{len(changed):,} of {of} are learned with another answer than the record has "
            f"({_places(changed)}): the template cuts or rewrites it",
        )
    return Check(name, "ok", f"{of} have the tokens at training that they have at serving")


def _end_of_turn(
    inspected: InspectedRows,
    kept: Sequence[RowFacts],
    tokenizer: "PreTrainedTokenizerBase",
    end: TurnEnd,
    stops: Sequence[int],
) -> Check:
    name, token = "end of turn", repr(tokenizer.decode([end.id]))
    without = [row.place for row in kept if not row.has_end]
    if without:
        return Check(
            name,
            "error",
            f"{len(without):,} rows end without {token} ({_places(without)}), so the model would "
            "never stop; check the tokenizer's chat_template",
        )
    if end.id != tokenizer.eos_token_id and end.id not in stops:
        return Check(
            name,
            "warning",
            f"the template ends a turn with {token}, generation stops at "
            f"{tokenizer.eos_token!r}; both are learned, but a server may show {token}: set "
            "eos_token_id in generation_config.json to both",
        )
    added = " (the template has none, so it is added)" if end.is_added else ""
    return Check(name, "ok", f"{token}{added} carries loss in each of {len(kept):,} rows")


def _padding(tokenizer: "PreTrainedTokenizerBase") -> Check:
    pad, eos = tokenizer.pad_token, tokenizer.eos_token
    by_position = (
        "labels are masked by position and never by token, so the end of each row is learned all "
        "the same"
    )
    if tokenizer.pad_token_id is None:
        return Check("padding", "ok", f"no padding token, so {eos!r} pads; {by_position}")
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        return Check("padding", "ok", f"{pad!r} both pads and ends a turn; {by_position}")
    return Check("padding", "ok", f"{pad!r} pads, {eos!r} ends a turn")


def _loss(kept: Sequence[RowFacts], end: TurnEnd) -> Check:
    empty = [row.place for row in kept if row.n_loss_tokens <= end.n_tokens]
    if empty:
        return Check(
            "loss",
            "error",
            f"{len(empty):,} rows have no answer token that carries loss ({_places(empty)}); "
            "drop them, or check that the template keeps the answer",
        )
    n_loss, n = sum(row.n_loss_tokens for row in kept), sum(row.n_tokens for row in kept)
    share = n_loss / max(1, n)
    return Check("loss", "ok", f"{share:.0%} of the tokens carry loss: answers and their ends")


def _length(inspected: InspectedRows, kept: Sequence[RowFacts], config: TrainingConfig) -> Check:
    name, most = "length", config.max_seq_tokens
    lengths = sorted(row.n_tokens for row in inspected.rows)
    if not lengths:
        return Check(name, "error", "no row could be rendered")
    if not kept:
        return Check(
            name,
            "error",
            f"no row fits into max_seq_tokens={most}; the shortest has {lengths[0]:,} tokens",
        )
    spread = f"median {lengths[len(lengths) // 2]:,}, longest {lengths[-1]:,} tokens"
    n_long = len(lengths) - len(kept)
    if not n_long:
        return Check(name, "ok", f"every row fits into max_seq_tokens={most:,}; {spread}")
    need = lengths[min(len(lengths) - 1, int(0.99 * len(lengths)))]
    return Check(
        name,
        "warning",
        f"{n_long:,} of {len(lengths):,} rows ({n_long / len(lengths):.1%}) are longer than "
        f"max_seq_tokens={most:,} and left out whole; {spread}; {need:,} would keep 99 %",
    )


def _of(inspected: InspectedRows) -> str:
    n, of = inspected.n_inspected, inspected.n_records
    return f"{of:,} rows" if n == of else f"{n:,} rows (a random sample of {of:,})"


def _places(places: Iterable[str]) -> str:
    found = list(places)
    more = f" and {len(found) - N_PLACES:,} more" if len(found) > N_PLACES else ""
    return ", ".join(found[:N_PLACES]) + more
