"""What a column's name gives away: a clean name, protected attributes, identifiers, what is known only later."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from creditrisk.contract import APPLICATION_DATE
from creditrisk.errors import ExpressionError
from creditrisk.expression.parse import parse

MAX_NAME = 50


def word_set(text: str) -> frozenset[str]:
    """Words separated by spaces, as a set."""
    return frozenset(text.split())


_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")

_PROTECTED = {
    "sex": "sex gender geschlecht sexe sexo genero genre sesso geslacht kjonn plec male female",
    "race or ethnic origin": "race racial ethnicity ethnic ethnie etnia rasse raza hautfarbe skin colour_of_skin",
    "religion": "religion religious religione konfession religiao caste",
    "marital status": "marital marriage married familienstand civil marstat",
    "national origin": (
        "nationality citizen citizenship nationalitaet staatsangehoerigkeit nacionalidad nationalite nazionalita "
        "immigrant immigration birthplace birthcountry gastarb foreign foreigner"
    ),
    "language": "language mothertongue",
    "disability or health": "disability disabled handicap behinderung discapacidad pregnant pregnancy health",
    "political opinion or orientation": "political orientation",
}
_PROTECTED_WORDS = {word: what for what, words in _PROTECTED.items() for word in words.split()}
_PROTECTED_PAIRS = {
    ("estado", "civil"): "marital status",
    ("etat", "civil"): "marital status",
    ("stato", "civile"): "marital status",
    ("national", "origin"): "national origin",
    ("birth", "country"): "national origin",
    ("country", "birth"): "national origin",
    ("mother", "tongue"): "language",
}
_AGE = word_set("age alter edad eta idade leeftijd ageyears ageinyears wiek alder")
_BIRTH = word_set("dob birth birthdate birthday dateofbirth born geburtsdatum geburtstag nacimiento naissance")
_PERSONAL = word_set(
    "email mail phone mobile telephone telefon iban ssn passport firstname lastname surname vorname "
    "nachname fullname address street ip"
)
_ID = word_set("id ids no nr num number key ref reference index idx unnamed uuid guid rowid row recordid")
_CUSTOMER = word_set("customer client borrower applicant member person user household kunde cliente cust")
_CODE = word_set("code type class category cat zip zipcode postal postcode plz region branch product kind grade")
_WHEN_APPLIED = word_set(
    "application applied issue issued origination originated booked disbursed funded opened antrag solicitud"
)

_LATER = {
    "recovery recoveries recovered": "recovery after default",
    "collection collections": "collection after default",
    "chargeoff chargedoff charged writeoff writtenoff": "charge-off",
    "settlement settled": "settlement after default",
    "foreclosure foreclosed repossessed repossession": "enforcement after default",
    "outcome": "the outcome itself",
    "default defaulted bad delinquent": "the outcome itself",
    "hardship": "help after trouble",
    "lgd": "loss after default",
}
_LATER_WORDS = {word: what for words, what in _LATER.items() for word in words.split()}
_LATER_PAIRS = {
    ("last", "pymnt"): "a later payment",
    ("last", "payment"): "a later payment",
    ("next", "pymnt"): "a later payment",
    ("total", "pymnt"): "payments received later",
    ("total", "payment"): "payments received later",
    ("total", "rec"): "payments received later",
    ("total", "paid"): "payments received later",
    ("out", "prncp"): "principal outstanding later",
    ("outstanding", "principal"): "principal outstanding later",
    ("loan", "status"): "the outcome itself",
    ("charge", "off"): "charge-off",
    ("charged", "off"): "charge-off",
    ("write", "off"): "charge-off",
    ("written", "off"): "charge-off",
    ("paid", "off"): "the outcome itself",
    ("closed", "date"): "the end of the loan",
}
_EARLIER = word_set(
    "prior previous prev past hist history historical before bureau file cb ever former mths months yrs "
    "years since number num count times other others existing"
)
"""Words that speak of the time before the application: a former default is no leakage."""


def tokens(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: ``lastPymntAmt_2`` gives last, pymnt, amt, 2."""
    plain = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", _ascii(name))
    return tuple(word.lower() for word in re.findall(r"[A-Za-z]+|[0-9]+", plain))


def title(name: str) -> str:
    """A column's name as people read it."""
    words = [word if word.isupper() else word.lower() for word in re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).split()]
    text = " ".join(" ".join(words).replace("_", " ").replace(".", " ").split()) or name
    return text[:1].upper() + text[1:]


def clean_names(raw: Iterable[str], time: str | None) -> dict[str, str]:
    """A clean name for each raw one: itself where an expression can use it, else one made from it; none twice."""
    found: dict[str, str] = {}
    names = list(raw)
    taken = {name for name in names if _usable(name)}
    for name in names:
        if _usable(name) and (name != APPLICATION_DATE or name == time):
            found[name] = name
            continue
        base = "_".join(tokens(name))[:MAX_NAME].strip("_") or "column"
        base = base if base[0].isalpha() else f"x_{base}"
        base = base if _usable(base) and base != APPLICATION_DATE else f"{base}_value"
        found[name] = unused(base, taken)
        taken.add(found[name])
    return found


def unused(name: str, taken: set[str]) -> str:
    """A name that is not taken: itself, or with a number."""
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name}_{number}"
        number += 1
    return candidate


def protected_by_name(name: str) -> str | None:
    """Which protected attribute a name speaks of."""
    words = tokens(name)
    for pair in pairwise(words):
        if pair in _PROTECTED_PAIRS:
            return _PROTECTED_PAIRS[pair]
    return next((_PROTECTED_WORDS[word] for word in words if word in _PROTECTED_WORDS), None)


def is_age(name: str) -> bool:
    """Whether a name says a person's age."""
    words = [word for word in tokens(name) if word not in ("years", "in", "yrs", "customer", "applicant", "borrower")]
    return len(words) == 1 and words[0] in _AGE


def is_birth(name: str) -> bool:
    """Whether a name says a date of birth."""
    return bool(_BIRTH & {*tokens(name), "".join(tokens(name))})


def is_personal(name: str) -> bool:
    """Whether a name says something that identifies a person."""
    words = tokens(name)
    return bool(_PERSONAL & {*words, "".join(words)})


def is_id(name: str) -> bool:
    """Whether a name says a row's identifier."""
    words = tokens(name)
    return not words or bool(_ID & set(words)) or words[-1].endswith("id") or words in (("loan",), ("account",))


def is_customer(name: str) -> bool:
    """Whether a name says an identifier of customers, who may have several rows."""
    words = set(tokens(name))
    joined = "".join(tokens(name))
    return bool(words & _CUSTOMER and words & _ID) or any(joined == word + "id" for word in _CUSTOMER)


def is_code(name: str) -> bool:
    """Whether a name says that whole numbers in it are codes and not counts."""
    return bool(_CODE & set(tokens(name)))


def is_application_time(name: str) -> bool:
    """Whether a name says the day of the application."""
    return bool(_WHEN_APPLIED & set(tokens(name)))


def known_later(name: str) -> str | None:
    """What a name says that can be known only after the application, if anything."""
    words = tokens(name)
    if _EARLIER & set(words):
        return None
    for pair in pairwise(words):
        if pair in _LATER_PAIRS:
            return _LATER_PAIRS[pair]
    return next((_LATER_WORDS[word] for word in words if word in _LATER_WORDS), None)


def _ascii(text: str) -> str:
    for letter, written in (("ß", "ss"), ("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ø", "o"), ("ł", "l"), ("æ", "ae")):
        text = text.replace(letter, written).replace(letter.upper(), written.capitalize())
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


@lru_cache(maxsize=10_000)
def _usable(name: str) -> bool:
    """Whether an expression can name it without quotation marks: no word of SQL's own."""
    if not _IDENTIFIER.fullmatch(name):
        return False
    try:
        return all(
            parse(sql, {name: "number"}, "").columns == (name,)
            for sql in (name, f"CASE WHEN {name} > 1 THEN {name} END + 1 / ({name}) + EXP({name} - {name} * 2)")
        )
    except ExpressionError:
        return False
