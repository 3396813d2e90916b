"""The reranker: what it refuses and how scores are used here; real tiny models marked slow."""

from __future__ import annotations

import json
import math
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import manifest
from index.document import Chunk, Document
from index.errors import AlteredModel, ConfigurationError
from index.rerank import CrossEncoderReranker, probabilities, reranked
from index.shaping import Candidate

# How scores are used


def candidates(*scores: float) -> list[Candidate]:
    owner = Document("d", "c", "d.pdf", "d", "application/pdf")
    return [
        Candidate(Chunk(str(index), "d", index, 0, 1, "x"), owner, score, score / 2, score * 9)
        for index, score in enumerate(scores)
    ]


def names(found: list[Candidate]) -> str:
    return "".join(each.chunk.id for each in found)


def test_the_reranker_decides_the_order_of_those_it_has_read() -> None:
    found = reranked(candidates(0.9, 0.8, 0.5, 0.2, 0.1), [0.01, 0.3, 0.99])
    assert names(found) == "21034"
    assert [each.score for each in found] == [0.9, 0.8, 0.5, 0.2, 0.1]
    assert [each.dense for each in found] == [0.25, 0.4, 0.45, 0.1, 0.05]


def test_equal_scores_change_nothing() -> None:
    before = candidates(0.9, 0.9, 0.5)
    assert reranked(before, [0.5, 0.5, 0.5]) == before
    assert reranked(before, []) == before


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20), st.integers(0, 20))
def test_reranking_keeps_candidates_and_scores(
    drawn: list[tuple[float, float]], count: int
) -> None:
    before = candidates(*sorted((score for score, _ in drawn), reverse=True))
    given_scores = [score for _, score in drawn][:count]
    after = reranked(before, given_scores)
    assert sorted(each.chunk.id for each in after) == sorted(each.chunk.id for each in before)
    assert [each.score for each in after] == [each.score for each in before]
    assert after[len(given_scores) :] == before[len(given_scores) :]
    ordered = [given_scores[int(each.chunk.id)] for each in after[: len(given_scores)]]
    assert ordered == sorted(given_scores, reverse=True)


def test_logits_become_probabilities() -> None:
    one = probabilities(np.array([-1000.0, -2.0, 0.0, 2.0, 1000.0], np.float32))
    assert one == pytest.approx([0.0, 1 / (1 + math.e**2), 0.5, 1 / (1 + math.e**-2), 1.0])
    assert probabilities(np.array([[0.0], [2.0]], np.float32)) == one[2:4]
    two = probabilities(np.array([[1.0, 3.0], [4.0, 4.0]], np.float32))
    assert two == pytest.approx([math.e**3 / (math.e + math.e**3), 0.5])
    with pytest.raises(ValueError, match="finite"):
        probabilities(np.array([0.0, np.nan], np.float32))


# What is refused before any weight is opened

CONFIG = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "id2label": {"0": "LABEL_0"},
    "max_position_embeddings": 64,
}
MODULE = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Looks like a cross-encoder until its weights are read."""
    made = tmp_path / "reranker"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"no weights")
    (made / "tokenizer.json").write_text("{}")
    (made / "config.json").write_text(json.dumps(CONFIG))
    return made


def opened(folder: Path, **more: Any) -> CrossEncoderReranker:
    return CrossEncoderReranker(folder, manifest.pins_of(folder), **more)


def write(name: str, content: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(content)) and None


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove("tokenizer.json"), "tokenizer.json"),
        (remove("model.safetensors"), "model.safetensors"),
        (write("config.json", CONFIG | {"architectures": ["BertModel"]}), "head"),
        (write("config.json", CONFIG | {"architectures": ["QwenForCausalLM"]}), "head"),
        (write("config.json", CONFIG | {"architectures": None}), "head"),
        (write("config.json", CONFIG | {"auto_map": {"AutoModel": "m.M"}}), "code"),
        (write("config.json", CONFIG | {"id2label": {"0": "a", "1": "b", "2": "c"}}), "3 labels"),
        (write("config.json", []), "config.json"),
        (write("adapter_config.json", {"base_model_name_or_path": "other"}), "adapter"),
        (write("tokenizer_config.json", {"chat_template": "{{ messages }}"}), "template"),
        (write("chat_template.json", {"chat_template": "{{ messages }}"}), "template"),
        (write("modules.json", [MODULE, MODULE | {"type": "x.LogitScore"}]), "more than"),
        (write("modules.json", [MODULE | {"type": "own.Module"}]), "more than"),
        (write("sentence_bert_config.json", {"tokenizer_name_or_path": "/else"}), "more than"),
        (write("config_sentence_transformers.json", {"default_prompt_name": "q"}), "prompt"),
        (
            write("config_sentence_transformers.json", {"activation_fn": "torch.hub.list"}),
            "torch.hub.list",
        ),
        (
            write("config.json", CONFIG | {"sentence_transformers": {"activation_fn": "own.Act"}}),
            "own.Act",
        ),
        (
            write(
                "config.json",
                CONFIG
                | {
                    "id2label": {"0": "no", "1": "yes"},
                    "sbert_ce_default_activation_function": "torch.nn.Sigmoid",
                },
            ),
            "Sigmoid",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_opened(
    folder: Path, change: Callable[[Path], None], reason: str
) -> None:
    opened(folder)
    change(folder)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        opened(folder)
    assert caught.value.exit_code == 3
    assert "reranker_folder" in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_pinned_file_that_is_not_there_is_named(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigurationError, match=r"model\.safetensors.*reranker_folder"):
        CrossEncoderReranker(folder, pins)


def test_an_altered_configuration_is_refused_when_it_is_opened(folder: Path) -> None:
    pins = manifest.pins_of(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"architectures": ["BertModel"]}))
    with pytest.raises(AlteredModel, match=r"config\.json"):
        CrossEncoderReranker(folder, pins)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "modeling.py"])
def test_altered_or_unpinned_files_are_refused_before_they_are_opened(
    folder: Path, name: str
) -> None:
    pins = manifest.pins_of(folder)
    (folder / name).write_bytes(b"others")
    with pytest.raises(AlteredModel, match=name):
        CrossEncoderReranker(folder, pins).scores("question", ["passage"])


def test_the_fingerprint_names_weights_and_window(folder: Path) -> None:
    first = opened(folder).fingerprint
    assert first.startswith("reranker:")
    assert opened(folder).fingerprint == first
    assert opened(folder, window=64).fingerprint != first
    (folder / "model.safetensors").write_bytes(b"others")
    assert opened(folder).fingerprint != first


def test_opening_one_does_not_import_torch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from index import manifest;"
        "from index.rerank import CrossEncoderReranker; folder = Path(sys.argv[1]);"
        "made = CrossEncoderReranker(folder, manifest.pins_of(folder));"
        "print(made.scores('q', []), 'torch' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["[]", "False"]


# Real models, small enough to be trained here

ASKED = {
    "when": ["monday", "march", "june", "noon", "friday", "autumn"],
    "where": ["berlin", "office", "harbour", "oslo", "archive", "vienna"],
    "who": ["auditor", "tenant", "director", "nurse", "trustee", "clerk"],
}
FILLER = [f"filler{number}" for number in range(30)]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
POSITIONS = 48


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*MARKS, *ASKED, *(word for kind in ASKED.values() for word in kind), *FILLER]
    bare = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    bare.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(names, MARKS, strict=True)),
    )


def untrained(labels: int = 1, kind: str = "Bert", seed: int = 1) -> Any:
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer()),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        type_vocab_size=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
        pad_token_id=0,
        num_labels=labels,
    )
    return getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()


def saved(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def pair(rng: random.Random, asked: str, told: str) -> tuple[str, str]:
    question = [asked, rng.choice(FILLER)]
    passage = [rng.choice(ASKED[told]), *rng.choices(FILLER, k=2)]
    rng.shuffle(passage)
    return " ".join(question), " ".join(passage)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that has learnt that "when" asks for a time, "where" for a place, "who"
    for a person, from pairs with no other word in common."""
    import torch

    rng = random.Random(7)
    model, tokens = untrained(), tokenizer()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the batches are too small to share
    for _ in range(250):
        asked = rng.choices(list(ASKED), k=32)
        told = [each if rng.random() < 0.5 else rng.choice(list(ASKED)) for each in asked]
        pairs = [pair(rng, *each) for each in zip(asked, told, strict=True)]
        truth = torch.tensor(
            [[float(one == other)] for one, other in zip(asked, told, strict=True)]
        )
        encoded = tokens(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**encoded).logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return saved(model, tmp_path_factory.mktemp("models") / "trained")


@pytest.mark.slow
def test_a_trained_reranker_puts_the_answer_first_whatever_came_first(trained: Path) -> None:
    reranker = opened(trained, device="cpu")
    rng = random.Random(11)
    right = before = 0
    for _ in range(60):
        asked = rng.choice(list(ASKED))
        passages = [pair(rng, asked, told)[1] for told in ASKED]
        answer = list(ASKED).index(asked)
        scores = reranker.scores(pair(rng, asked, asked)[0], passages)
        assert all(0.0 <= score <= 1.0 for score in scores)
        right += names(reranked(candidates(0.9, 0.8, 0.7), scores))[0] == str(answer)
        before += answer == 0
    assert before < 35
    assert right >= 54


@pytest.mark.slow
def test_the_same_passages_stand_in_another_order_for_another_question(trained: Path) -> None:
    reranker = opened(trained, device="cpu")
    passages = [" ".join([words[0], *FILLER[:2]]) for words in ASKED.values()]
    for index, asked in enumerate(ASKED):
        scores = reranker.scores(f"{asked} {FILLER[9]}", passages)
        assert int(np.argmax(scores)) == index
        assert scores[index] > 0.5


@pytest.mark.slow
def test_scores_are_those_of_the_model_itself(trained: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    question, passages = "where filler1", ["oslo", "noon filler2 filler3", "", "\ud800 clerk"]
    model = AutoModelForSequenceClassification.from_pretrained(trained).eval()
    expected = []
    for passage in passages:
        whole = passage.replace("\ud800", "?")
        encoded = tokenizer()([question], [whole], return_tensors="pt")
        with torch.no_grad():
            expected.append(model(**encoded).logits.sigmoid().item())
    for batch in (1, 3, 32):
        found = opened(trained, device="cpu", batch=batch).scores(question, passages)
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_a_passage_is_cut_at_its_end_and_a_question_is_kept(trained: Path) -> None:
    reranker = opened(trained, device="cpu", window=32)
    fill = " ".join(FILLER[:10])
    # [CLS] 11 words [SEP] 18 words [SEP] are 32 tokens.
    question = f"{fill} where"
    begun = " ".join(["oslo", *FILLER[:17]])
    base, more, other = reranker.scores(question, [begun, f"{begun} noon clerk", f"noon {begun}"])
    assert more == pytest.approx(base, abs=1e-6)
    assert other != pytest.approx(base, abs=1e-6)
    last = reranker.scores(f"{fill} who", [f"{begun} noon clerk"])[0]
    assert last != pytest.approx(base, abs=1e-3)  # the question's last word was read
    # Of a question without end, half of the window is read: 14 tokens.
    long = " ".join(["where", *FILLER[:13]])
    assert reranker.scores(long + f" {fill}" * 50, [begun]) == pytest.approx(
        reranker.scores(long, [begun]), abs=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_no_text_is_longer_than_the_model_can_read(tmp_path: Path, kind: str) -> None:
    reranker = opened(saved(untrained(kind=kind), tmp_path / "m"), device="cpu")
    scores = reranker.scores("where " * 500, ["oslo " * 500, "oslo", ""])
    assert len(scores) == 3


@pytest.mark.slow
def test_of_two_labels_the_second_says_relevant(tmp_path: Path) -> None:
    model = untrained(labels=2)
    folder = saved(model, tmp_path / "two")
    encoded = tokenizer()("where", "oslo", return_tensors="pt")
    expected = model(**encoded).logits.softmax(-1)[0, 1].item()
    assert opened(folder, device="cpu").scores("where", ["oslo"]) == pytest.approx(
        [expected], abs=1e-5
    )


@pytest.mark.slow
def test_a_saved_cross_encoder_can_be_used(trained: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    CrossEncoder(str(trained), device="cpu").save_pretrained(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "modules.json").exists()
    again = opened(tmp_path / "saved", device="cpu")
    first = opened(trained, device="cpu")
    assert again.scores("who", ["clerk", "noon"]) == first.scores("who", ["clerk", "noon"])


@pytest.mark.slow
def test_a_head_without_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = saved(untrained(), tmp_path / "headless")
    tensors = load_file(folder / "model.safetensors")
    kept = {name: each for name, each in tensors.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigurationError, match=r"classifier\.bias"):
        opened(folder, device="cpu").scores("where", ["oslo"])


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cuda:99", "nowhere"])
def test_a_device_that_is_not_there_is_no_reason_for_another(trained: Path, device: str) -> None:
    with pytest.raises(ConfigurationError, match=device):
        opened(trained, device=device).scores("where", ["oslo"])


@pytest.mark.slow
def test_weights_that_give_no_number_are_refused(tmp_path: Path) -> None:
    model = untrained()
    model.classifier.bias.data.fill_(float("nan"))
    with pytest.raises(ConfigurationError, match="finite"):
        opened(saved(model, tmp_path / "nan"), device="cpu").scores("where", ["oslo"])


@pytest.mark.slow
def test_several_threads_get_the_same_scores_and_nothing_is_asked_of_the_network(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*args: object, **_more: object) -> None:
        asked.append(args)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    reranker = opened(trained, device="cpu")
    rng = random.Random(3)
    questions = [pair(rng, rng.choice(list(ASKED)), "who")[0] for _ in range(12)]
    passages = [pair(rng, "who", told)[1] for told in ASKED] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: reranker.scores(each, passages), questions))
    assert found == [reranker.scores(each, passages) for each in questions]
    assert asked == []


@pytest.mark.slow
def test_cuda_gives_the_scores_that_the_processor_gives(trained: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    passages = ["oslo filler1", "noon", "clerk filler2"]
    expected = opened(trained, device="cpu").scores("where", passages)
    found = opened(trained, device="cuda").scores("where", passages)
    assert found == pytest.approx(expected, abs=1e-3)
