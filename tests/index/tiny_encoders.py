"""Encoders of every family with a few thousand weights, saved as their publishers save theirs.

Random weights from a fixed seed, by transformers' own `save_pretrained`. TinyBERT is a BERT of
other proportions (narrow, shallow), as its publishers made it. RoBERTa numbers positions from 2,
has no token types that count and puts two end markers between a pair; DistilBERT has no token
types at all and names its sizes otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = [f"word{number}" for number in range(120)]
POSITIONS = 48  # tokens that each of them can read
FAMILIES = ("bert", "roberta", "distilbert", "tinybert")
_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def tokenizer(family: str) -> Any:
    """A fast tokenizer of whole words with the family's markers."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    marks = _ROBERTA if family == "roberta" else _BERT
    if family == "roberta":
        names = {"cls": marks[0], "pad": marks[1], "sep": marks[2], "unk": marks[3]}
        names |= {"bos": marks[0], "eos": marks[2], "mask": marks[4]}
        single, pair = "<s> $A </s>", "<s> $A </s> </s> $B </s>"
    else:
        names = dict(zip(("pad", "unk", "cls", "sep", "mask"), marks, strict=True))
        single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
    inputs = ["input_ids", "attention_mask"]
    if family in ("bert", "tinybert"):
        inputs.append("token_type_ids")
    vocabulary = {word: at for at, word in enumerate((*marks, *WORDS))}
    bare = Tokenizer(models.WordLevel(vocabulary, names["unk"]))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(names[each], vocabulary[names[each]]) for each in ("cls", "sep")]
    bare.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        model_input_names=inputs,
        model_max_length=POSITIONS,
        **{f"{name}_token": mark for name, mark in names.items()},
    )


def build(family: str, head: str = "Model", seed: int = 3, **more: Any) -> Any:
    """A model of the family in evaluation mode; `head` ends its class's name ("Model",
    "ForSequenceClassification"), `more` goes to its configuration."""
    import torch
    import transformers

    torch.manual_seed(seed)
    size = 5 + len(WORDS)
    if family == "distilbert":
        name = "DistilBert"
        shape: dict[str, Any] = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
        shape |= {"max_position_embeddings": POSITIONS, "pad_token_id": 0}
        shape |= {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
    else:
        name = "Roberta" if family == "roberta" else "Bert"
        wide, deep = (24, 1) if family == "tinybert" else (32, 2)
        shape = {"hidden_size": wide, "num_hidden_layers": deep, "num_attention_heads": 4}
        shape |= {"intermediate_size": 2 * wide, "max_position_embeddings": POSITIONS}
        shape |= {"pad_token_id": 0, "type_vocab_size": 2}
        if family == "roberta":
            shape |= {"max_position_embeddings": POSITIONS + 2, "pad_token_id": 1}
            shape |= {"type_vocab_size": 1, "bos_token_id": 0, "eos_token_id": 2}
    shape |= {"vocab_size": size, "initializer_range": 0.2, **more}
    config = getattr(transformers, f"{name}Config")(**shape)
    return getattr(transformers, f"{name}{head}")(config).eval()


def saved(family: str, model: Any, folder: Path) -> Path:
    """The model and its tokenizer in `folder`, as a plain transformers folder."""
    model.save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return folder
