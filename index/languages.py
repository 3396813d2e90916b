"""Which language a text is in, and the words of a language that search treats specially. Pure.

A text is in the language whose function words it holds most. That needs no model and no library,
gives the same answer on every machine, and says "unclear" for a table or a heading, whose language
is then that of the rest of its document. Measured against two libraries in ADR 0009.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType

DEFAULT = "en"  # of what shows no language at all

# Words that say how a sentence is built, not what it is about.
_FUNCTION_WORDS = {
    "en": """
    a an and are as at be been but by can could did do does for from had has have how if in into is
    it its may must no nor not of on or shall should such that the their them then there these they
    this those to under was were what when where which who whom whose why will with would""",
    "de": """
    aber als am an auch auf aus bei beim bis da damit dann das dass dem den der des die dies diese
    diesem diesen dieser dieses doch durch ein eine einem einen einer eines er es für gegen hat
    haben ihr ihre im in ist ja jede jeder kann kein keine können mit muss müssen nach nicht noch
    nur ob oder ohne sein seine sich sie sind soll sollen sowie über um und unter vom von vor war
    waren was welche welchem welchen welcher welches wenn wer werden wie wieviel wird wo wurde
    wurden zu zum zur zwischen""",
    "fr": """
    à au aux avec ce ces cet cette comme comment dans de des doit doivent du elle elles en est et
    être eu il ils je la le les leur leurs lors mais ne nos notre nous on ont ou où par pas peut
    peuvent pour qu que quel quelle quelles quels qui sa sans se selon ses si son sont sous sur
    toute toutes tous un une vos votre vous y l d n s c""",
    "es": """
    a al ante bajo como con cual cuales cuando cuál cuáles de debe deben del desde donde dónde el
    ella ellos en entre es esta este esto estos estas está están fue fueron ha han hasta la las le
    les lo los más no o para pero por porque puede pueden que qué quién se según ser si sin sobre
    son su sus también todo toda todos un una unas unos y""",
    "it": """
    a ad agli ai al alla alle allo anche che chi ci come con cui da dagli dai dal dalla dalle dalli
    degli dei del della delle dello deve devono di dove e è ed essere fra gli ha hanno i il in io
    la le lo loro ma nei nel nella nelle nello non o per perché più possono può quale quali quando
    quanto questa queste questi questo se si sia sono su sua sue sugli sui sul sulla sulle suo tra
    tutti un una uno""",
    "nl": """
    aan al als bij dan dat de deze die dit door een en er geen haar had heeft hebben het hij hoe
    hun ik in is kan kunnen maar meer met moet moeten na naar niet nog of om onder ook op over te
    tegen tot tussen uit van voor waar wanneer waren wat welk welke werd werden wie wordt worden
    zal zich zij zijn zo zou""",
    "pt": """
    a à ao aos as às até com como da das de deve devem do dos é e ela eles em entre era essa esse
    esta este está foi foram há isso mais mas na nas não no nos num numa o onde os ou para pela
    pelas pelo pelos pode podem por qual quais quando que quem são se sem ser seu seus sob sobre
    sua suas também um uma""",
}
FUNCTION_WORDS = MappingProxyType(
    {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}
)
LANGUAGES = tuple(FUNCTION_WORDS)

# Words that always mean a number; those that often mean something else ("one", "neuf") are out.
_NUMBERS = {
    "en": """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty""",
    "de": """zwei drei vier fünf sechs sieben - neun zehn elf zwölf dreizehn vierzehn fünfzehn
    sechzehn siebzehn achtzehn neunzehn zwanzig""",
    "fr": """deux trois quatre cinq six sept huit - dix onze douze treize quatorze quinze seize
    - - - vingt""",
    "es": """dos tres cuatro cinco seis siete ocho nueve diez - doce trece catorce quince dieciséis
    diecisiete dieciocho diecinueve veinte""",
    "it": """due tre quattro cinque - sette otto nove dieci undici dodici tredici quattordici
    quindici sedici diciassette diciotto diciannove venti""",
    "nl": """twee drie vier vijf zes zeven - negen tien elf twaalf dertien veertien vijftien zestien
    zeventien achttien negentien twintig""",
    "pt": """dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis
    dezessete dezoito dezenove vinte""",
}
_TENS = {
    "en": "thirty forty fifty sixty seventy eighty ninety",
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "trente quarante cinquante soixante",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "it": "trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "nl": "dertig veertig vijftig zestig zeventig tachtig negentig",
    "pt": "trinta quarenta cinquenta sessenta setenta oitenta noventa",
}
NUMBERS = MappingProxyType(
    {
        language: {word: str(number) for number, word in enumerate(words.split(), 2) if word != "-"}
        | {word: str(10 * tens) for tens, word in enumerate(_TENS[language].split(), 3)}
        for language, words in _NUMBERS.items()
    }
)

_SPEAKING = {  # the languages of each function word
    word: tuple(language for language in LANGUAGES if word in FUNCTION_WORDS[language])
    for words in FUNCTION_WORDS.values()
    for word in words
}
_LEAST = 1.0  # evidence: a word of one language counts 1, one that two languages share a half
_MARGIN = 1.3  # by how much the best language must lead


def told(words: Iterable[str]) -> str | None:
    """The language of a text of small `words`, None if it is unclear."""
    return _clearest(_evidence(words), _LEAST)


def of_chunks(texts: Sequence[Collection[str]]) -> list[str]:
    """The language of each of one document's chunks, given as small words.

    A chunk that leaves it unclear has the language of the whole document, and so has one whose own
    evidence is too thin to set it apart.
    """
    evidence = [_evidence(words) for words in texts]
    whole: Counter[str] = Counter()
    for each in evidence:
        whole.update(each)
    common = _clearest(whole, _LEAST) or DEFAULT
    return [_clearest(each, 4 * _LEAST) or common for each in evidence]


def _evidence(words: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for word, times in Counter(word for word in words if word in _SPEAKING).items():
        spoken = _SPEAKING[word]
        share = min(times, 3) / len(spoken)  # one word many times is weak evidence
        for language in spoken:
            found[language] += share  # type: ignore[assignment]
    return found


def _clearest(evidence: Counter[str], least: float) -> str | None:
    ranked = sorted(evidence.items(), key=lambda item: (-item[1], item[0]))
    if not ranked or ranked[0][1] < least:
        return None
    if len(ranked) > 1 and ranked[0][1] < _MARGIN * ranked[1][1]:
        return None
    return ranked[0][0]
