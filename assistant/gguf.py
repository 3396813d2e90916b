"""What a GGUF file says about itself, read without any model library.

The format is ggml's (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version,
counts of tensors and key-value pairs, then the pairs, then the tensors' names, dimensions, formats
and places. The tensors themselves are never read; that they all lie inside the file is checked. A
file is a stranger's until its digest has been checked, and often afterwards too, so every length
is held against a limit before anything of that length is read or allocated, nesting included.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import BinaryIO

from assistant.gguf_layout import BLOCKS, MAX_LAYERS, MAX_SIZE, Layout, Pair, Tensor, layout

MAX_PAIRS = 4096
MAX_KEY_BYTES = 1024
MAX_STRING_BYTES = 1 << 20  # a chat template is the longest we keep; a few KiB in practice
MAX_ITEMS = 4 << 20  # texts in one array; the largest vocabularies hold half a million
MAX_HEADER_BYTES = 256 << 20  # the vocabulary lies in here: 20 MiB for the largest seen
MAX_TENSORS = 1 << 16  # the largest models of experts have a few thousand
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_NAME_BYTES = 64  # GGML_MAX_NAME
MAX_ALIGNMENT = 1 << 16
MAX_PARAMETERS = 1 << 50

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)  # 1 counted in 32 bits and was in use for two weeks of 2023
_FIXED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
_FIXED |= {11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_WHOLE = frozenset((0, 1, 2, 3, 4, 5, 7, 10, 11))  # the formats of whole numbers and booleans

# `general.file_type` (enum llama_ftype of llama.h) by the name that file names use.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip


class NotGGUF(ValueError):
    """The bytes are no GGUF header that we would trust; `str()` says why in a few words."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the file claims. `context` is the length it was trained on in tokens, 0 if unsaid;
    `parts` is more than 1 if this file is one of several; `template` the chat template;
    `parameters` how many numbers its tensors hold. `layout` is the model's shape, for planning
    memory; two headers that say the same are equal whatever it is."""

    name: str
    architecture: str
    quantization: str
    context: int
    parts: int
    template: str
    license: str = ""
    size_label: str = ""
    parameters: int = 0
    layout: Layout = field(default_factory=Layout, compare=False, repr=False)

    @property
    def template_sha256(self) -> str:
        return hashlib.sha256(self.template.encode()).hexdigest()


class _Reader:
    """Reads forward through `file`, never past `MAX_HEADER_BYTES` or the file's end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = min(size, MAX_HEADER_BYTES)
        self.read = 0  # bytes so far

    def take(self, length: int) -> bytes:
        self._charge(length)
        data = self._file.read(length)
        if len(data) != length:
            raise NotGGUF("the header is cut short")
        return data

    def skip(self, length: int) -> None:
        self._charge(length)
        self._file.seek(length, 1)

    def number(self, layout: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def count(self, layout: str, limit: int, what: str) -> int:
        """An unsigned length, held against `limit`."""
        untrusted = int(self.number(layout))
        if untrusted > limit:
            raise NotGGUF(f"{what} is out of bounds")
        return untrusted

    def _charge(self, length: int) -> None:
        if length > self._left:
            raise NotGGUF("the header is cut short or too long")
        self._left -= length
        self.read += length


def parse_header(file: BinaryIO, size: int) -> Header:
    """The header at the start of `file`, which holds `size` bytes. Raises NotGGUF, also for a file
    that ends before its last tensor does."""
    reader = _Reader(file, size)
    if reader.take(4) != _MAGIC:
        raise NotGGUF("not a GGUF file")
    if reader.number("<I") not in _VERSIONS:
        raise NotGGUF("a GGUF version that is not known")
    tensors = reader.count("<Q", MAX_TENSORS, "the number of tensors")
    pairs: dict[str, Pair] = {}
    lengths: dict[str, int] = {}
    for _ in range(reader.count("<Q", MAX_PAIRS, "the number of entries")):
        key = _text(reader.take(reader.count("<Q", MAX_KEY_BYTES, "a key's length")))
        kind = reader.count("<I", 12, "a value's type")
        if kind == _ARRAY:
            lengths[key], value = _array(reader)
        else:
            value = _value(reader, kind)
        if value is not None:
            pairs[key] = value
    return _header(pairs, lengths, _tensors(reader, tensors, pairs, size))


def _value(reader: _Reader, kind: int) -> Pair | None:
    """The next value; None for a very long string, which is passed over."""
    if kind == _STRING:
        length = reader.count("<Q", MAX_HEADER_BYTES, "a string's length")
        if length > MAX_STRING_BYTES:
            reader.skip(length)
            return None
        return _text(reader.take(length))
    return reader.number(_FIXED[kind])


def _array(reader: _Reader) -> tuple[int, Pair | None]:
    """The next array's length, and its items if they are whole numbers and few enough to be one
    for each layer; others are passed over."""
    kind = reader.count("<I", 12, "an array's type")
    if kind == _ARRAY:
        raise NotGGUF("an array within an array")  # the format allows it, no model uses it
    if kind == _STRING:
        items = reader.count("<Q", MAX_ITEMS, "an array's length")
        for _ in range(items):
            reader.skip(reader.count("<Q", MAX_HEADER_BYTES, "a string's length"))
        return items, None
    items = reader.count("<Q", MAX_HEADER_BYTES, "an array's length")
    length = items * struct.calcsize(_FIXED[kind])
    if kind not in _WHOLE or items > MAX_LAYERS:
        reader.skip(length)
        return items, None
    return items, struct.unpack(f"<{items}{_FIXED[kind][1]}", reader.take(length))


def _tensors(reader: _Reader, count: int, pairs: dict[str, Pair], size: int) -> list[Tensor]:
    """What the file says about its `count` tensors, each of which lies inside its `size` bytes."""
    found = [_tensor(reader) for _ in range(count)]
    begins = sorted({offset for _, offset in found})
    following = dict(pairwise(begins))
    alignment = pairs.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= MAX_ALIGNMENT:
        raise NotGGUF("the alignment is out of bounds")
    data = -(-reader.read // alignment) * alignment
    there = size - data
    tensors = []
    for tensor, offset in found:
        if tensor.kind not in BLOCKS:  # a format that came after this was written
            tensor = replace(tensor, size=max(0, following.get(offset, there) - offset))
        if offset > there or tensor.size > there - offset:
            missing = offset + tensor.size - there
            raise NotGGUF(
                f"the file is cut short, {missing:,} bytes of its weights are missing at least: "
                "copy or download it again"
            )
        tensors.append(tensor)
    return tensors


def _tensor(reader: _Reader) -> tuple[Tensor, int]:
    """The next tensor and where it begins, counted from the first one."""
    name = _text(reader.take(reader.count("<Q", MAX_NAME_BYTES, "a tensor name's length")))
    dims = tuple(
        reader.count("<Q", MAX_SIZE, "a tensor's dimension")
        for _ in range(reader.count("<I", MAX_DIMENSIONS, "a tensor's number of dimensions"))
    )
    kind = reader.count("<I", 1 << 16, "a tensor's format")
    values = math.prod(dims)
    if values > MAX_PARAMETERS:
        raise NotGGUF("a tensor's size is out of bounds")
    block, size = BLOCKS.get(kind, (1, 0))
    if dims and dims[0] % block:
        raise NotGGUF("a tensor's rows are no whole blocks")
    offset = int(reader.number("<Q"))
    return Tensor(name, dims, kind, values // block * size), offset


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotGGUF("a text that is not UTF-8") from error


def _header(pairs: dict[str, Pair], lengths: dict[str, int], tensors: list[Tensor]) -> Header:
    def text(key: str) -> str:
        value = pairs.get(key, "")
        return value if isinstance(value, str) else ""

    def whole(key: str, default: int = 0) -> int:
        value = pairs.get(key, default)
        return value if type(value) is int and 0 <= value < 1 << 31 else default

    architecture = text("general.architecture")
    if not architecture:
        raise NotGGUF("no architecture is named")
    file_type = whole("general.file_type", -1)
    return Header(
        name=text("general.name") or text("general.basename") or architecture,
        architecture=architecture,
        quantization=_FILE_TYPES.get(file_type, "unknown"),
        context=whole(f"{architecture}.context_length"),
        parts=whole("split.count", 1),
        template=text("tokenizer.chat_template"),
        license=text("general.license"),
        size_label=text("general.size_label"),
        parameters=sum(tensor.values for tensor in tensors),
        layout=layout(architecture, pairs, lengths, tensors),
    )
