"""A tiny untrained Llama that llama.cpp can convert: 256 wide, as its K-quants want it."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tuneline.export import finish_export
from tuneline.random_model import CHAT_TEMPLATE

SPECIAL = ["<unk>", "<|im_start|>", "<|im_end|>"]
TEXTS = [
    "system user assistant Yes No Is it even?",
    "the lender may assign it",
    "借款人应当支付利息",
]


def write_tiny_llama(out: Path, rope_theta: float = 50_000.0, tokenizer: Any = None) -> None:
    """Write config, seeded weights of two layers, and tokenizer to an existing folder."""
    tokenizer = tokenizer or llama_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=tokenizer.convert_tokens_to_ids("<|im_start|>"),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        rope_parameters={"rope_theta": rope_theta, "rope_type": "default"},
        tie_word_embeddings=False,
        initializer_range=0.08,
        architectures=["LlamaForCausalLM"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    finish_export(out)


def llama_tokenizer() -> Any:
    """BPE with bytes for what it does not know, as in Llama 2, with a few hundred words' pieces."""
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    vocabulary = [*SPECIAL, *bytes_, *sorted({"▁", *"".join(TEXTS)} - {" "}), *_pieces()]
    ids = {token: i for i, token in enumerate(vocabulary)}
    bpe = Tokenizer(
        models.BPE(ids, _merges(ids), byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    bpe.normalizer = normalizers.Replace(" ", "▁")
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token="<unk>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        add_prefix_space=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _pieces() -> list[str]:
    """Beginnings of words, short ones first: each is a shorter one and a letter."""
    words = {f"▁{word}" for text in TEXTS for word in text.split() if word.isascii()}
    pieces = {word[:length] for word in words for length in range(2, len(word) + 1)}
    return sorted(pieces, key=lambda piece: (len(piece), piece))


def _merges(ids: dict[str, int]) -> list[tuple[str, str]]:
    """Every pair of tokens that together are one: llama.cpp joins all of them."""
    pairs = [
        (token[:i], token[i:])
        for token in ids
        if not token.startswith("<")
        for i in range(1, len(token))
        if token[:i] in ids and token[i:] in ids
    ]
    return sorted(pairs, key=lambda pair: ids["".join(pair)])
