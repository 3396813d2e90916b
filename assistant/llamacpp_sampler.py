"""How one answer's next token is chosen, over llama.cpp's samplers. Runs in the model's process."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.llamacpp_engine import Engine, Logits

PENALTY_WINDOW = 64  # tokens of the answer, never of the prompt, that `repeat_penalty` looks at
MAX_FORM_CHARS = 65_536  # of a grammar or schema

# What the binding's converter lets stand in a string, and what JSON does (RFC 8259, section 7).
_ANY_CHARACTER, _JSON_CHARACTER = r'[^"\\] |', r'[^"\\\x7F\x00-\x1F] |'

# struct llama_token_data of llama.h
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)], align=True)


class UnusableForm(Exception):
    """A grammar or JSON schema that no answer can be held to; `str()` says why in a few words."""


class Sampler:
    """Chooses the tokens of one answer; `close` gives its memory back.

    An answer held to a form is sampled as if it were free, and only if that token does not fit the
    form is it drawn again from those that do: the distribution is the same (a token that fits is
    drawn with p, or with the rest's share of p when another one was refused: together p divided by
    the p of all that fit), and mostly the grammar looks at one token instead of at all.
    """

    def __init__(self, engine: Engine, order: dict[str, Any], grammar: str) -> None:
        """`order` holds the fields of `assistant.model.Sampling`, `grammar` is GBNF or empty.

        Raises UnusableForm.
        """
        self._engine = engine
        self._lib = engine.lib
        self._greedy = order["temperature"] == 0.0 and order["repeat_penalty"] == 1.0
        self._grammar = self._held_to(grammar) if grammar else None
        self._chain = self._made(order)

    def _held_to(self, grammar: str) -> Any:
        vocab = self._engine.vocab.handle
        made = self._lib.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
        if not made:
            raise UnusableForm("llama.cpp does not accept the grammar")
        return made

    def _made(self, order: dict[str, Any]) -> Any:
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())

        def add(sampler: Any) -> None:
            lib.llama_sampler_chain_add(chain, sampler)

        if order["repeat_penalty"] != 1.0:
            penalty = order["repeat_penalty"]
            words = self._engine.words
            add(lib.llama_sampler_init_penalties(words, PENALTY_WINDOW, penalty, 0.0, 0.0))
        if order["temperature"] == 0.0:
            add(lib.llama_sampler_init_greedy())
            return chain
        if order["top_k"]:
            add(lib.llama_sampler_init_top_k(order["top_k"]))
        if order["top_p"] < 1.0:
            add(lib.llama_sampler_init_top_p(order["top_p"], 1))
        add(lib.llama_sampler_init_temp(order["temperature"]))
        add(lib.llama_sampler_init_dist(order["seed"]))
        return chain

    def next(self, index: int, *, free: bool) -> int:
        """The token after the entry at `index` of the last batch; `free`: not held to the form.

        Raises UnusableForm if no token fits.
        """
        if self._grammar is None or free:
            if self._greedy:
                return int(self._engine.logits(index).argmax())
            return self._engine.sample(self._chain, index)
        logits = self._engine.logits(index)
        token = self._chosen(_Candidates(self._lib, logits))
        if not self._fits(token):
            candidates = _Candidates(self._lib, logits)
            candidates.pass_through(self._grammar)
            if not candidates.possible():
                raise UnusableForm("no token of this model fits it any further")
            token = self._chosen(candidates)
        self._lib.llama_sampler_accept(self._grammar, token)
        self._lib.llama_sampler_accept(self._chain, token)
        return token

    def _chosen(self, candidates: _Candidates) -> int:
        candidates.pass_through(self._chain)
        return candidates.selected()

    def _fits(self, token: int) -> bool:
        single = _Candidates(self._lib, np.ones(1, np.float32), token)
        single.pass_through(self._grammar)
        return single.possible()

    def close(self) -> None:
        """Give the samplers' memory back; may be called twice."""
        for sampler in (self._chain, self._grammar):
            if sampler is not None:
                self._lib.llama_sampler_free(sampler)
        self._chain = self._grammar = None


class _Candidates:
    """llama_token_data_array over a copy of the logits; `first` is the token of the first one."""

    def __init__(self, lib: Any, logits: Logits, first: int = 0) -> None:
        self._lib = lib
        self._data: NDArray[Any] = np.zeros(len(logits), _CANDIDATE)
        self._data["id"] = np.arange(first, first + len(logits), dtype=np.int32)
        self._data["logit"] = logits
        pointer = self._data.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
        self._array = lib.llama_token_data_array(pointer, len(logits), -1, False)

    def pass_through(self, sampler: Any) -> None:
        self._lib.llama_sampler_apply(sampler, ctypes.byref(self._array))

    def possible(self) -> bool:
        """Whether any token is left that may come."""
        return bool(np.isfinite(self._data["logit"][: self._array.size]).any())

    def selected(self) -> int:
        return int(self._array.data[self._array.selected].id)


def log_probability(logits: Logits, token: int) -> float:
    """The natural logarithm of a token's share of the softmax."""
    top = float(logits.max())
    total = float(np.exp(logits - top, dtype=np.float32).sum(dtype=np.float64))
    return float(logits[token]) - top - float(np.log(total))


def grammar_of(order: dict[str, Any], convert: Callable[[str], str]) -> str:
    """The GBNF that an order asks for, "" for none; `convert` turns a JSON schema into it.

    Raises UnusableForm.
    """
    form = order["grammar"] or order["json_schema"]
    if len(form) > MAX_FORM_CHARS:
        raise UnusableForm(f"it has more than {MAX_FORM_CHARS:,} characters")
    if not order["json_schema"]:
        return str(order["grammar"])
    try:
        schema = json.loads(form)
        _require_local(schema)
        return convert(json.dumps(schema)).replace(_ANY_CHARACTER, _JSON_CHARACTER)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UnusableForm(
            f"the JSON schema: {str(error)[:200] or type(error).__name__}"
        ) from error
    except RecursionError as error:
        raise UnusableForm("the JSON schema is nested too deeply") from error


def _require_local(schema: object) -> None:
    """Raises ValueError for a reference to anything outside the schema."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ValueError(f"a reference leads out of it: {reference[:80]}")
        for value in schema.values():
            _require_local(value)
    elif isinstance(schema, list):
        for value in schema:
            _require_local(value)
