"""Telling languages apart, and their lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import languages
from index.analysis import split

SENTENCES = [
    ("en", "Which records must be kept for six years after the contract ends?"),
    ("en", "What is the limit for a cash payment?"),
    ("de", "Die Bank muss die Unterlagen nach dem Ende des Vertrags aufbewahren."),
    ("de", "Wie lange sind Belege aufzubewahren?"),
    ("fr", "Les données sont conservées pendant la durée du contrat."),
    ("fr", "Quelle est la durée de conservation des données?"),
    ("es", "Los datos se conservarán durante el plazo del contrato."),
    ("es", "¿Cuál es el plazo para los pagos?"),
    ("it", "I dati sono conservati per la durata del contratto."),
    ("it", "Qual è il termine per gli avvisi della banca?"),
    ("nl", "De gegevens worden bewaard zolang het contract van kracht is."),
    ("nl", "Hoe lang moeten wij de stukken bewaren?"),
    ("pt", "Os dados são conservados durante o prazo do contrato."),
    ("pt", "Qual é o prazo para os pagamentos dos clientes?"),
]


@pytest.mark.parametrize(("language", "sentence"), SENTENCES)
def test_a_sentence_tells_its_language(language: str, sentence: str) -> None:
    assert languages.told(split(sentence)) == language


@pytest.mark.parametrize("text", ["", "2023 81,797 117,154", "Net sales", "Novartis AG", "in"])
def test_what_shows_no_language_is_unclear(text: str) -> None:
    assert languages.told(split(text)) is None


def test_an_unclear_chunk_has_the_language_of_its_document() -> None:
    german = split(SENTENCES[2][1])
    assert languages.of_chunks([german, split("Bilanz 2023")]) == ["de", "de"]
    assert languages.of_chunks([split("Table 4")]) == [languages.DEFAULT]
    english = split(f"{SENTENCES[0][1]} {SENTENCES[1][1]} These are the rules of the bank.")
    assert languages.of_chunks([german, german, english]) == ["de", "de", "en"]


@given(st.lists(st.text()))
def test_any_words_have_a_language_or_none(words: list[str]) -> None:
    assert languages.told(words) in {None, *languages.LANGUAGES}


def test_numbers_are_words_of_one_value() -> None:
    assert languages.NUMBERS["en"]["six"] == languages.NUMBERS["de"]["sechs"] == "6"
    assert languages.NUMBERS["fr"]["vingt"] == languages.NUMBERS["en"]["twenty"] == "20"
    assert languages.NUMBERS["pt"]["noventa"] == "90"
    assert "one" not in languages.NUMBERS["en"] and "neuf" not in languages.NUMBERS["fr"]
