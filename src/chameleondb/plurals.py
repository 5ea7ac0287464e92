"""Entity names to table names, and back.

These functions are frozen: a plural that changed would plan to drop a table. New irregular words may not be added
either, since schemas may already rely on the regular form; `table "…"` is the way out for a single entity.
"""

from __future__ import annotations

import re

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "index": "indices",
    "matrix": "matrices",
    "vertex": "vertices",
    "appendix": "appendices",
    "analysis": "analyses",
    "axis": "axes",
    "basis": "bases",
    "crisis": "crises",
    "diagnosis": "diagnoses",
    "hypothesis": "hypotheses",
    "oasis": "oases",
    "thesis": "theses",
    "criterion": "criteria",
    "phenomenon": "phenomena",
    "datum": "data",
    "medium": "media",
    "bacterium": "bacteria",
    "curriculum": "curricula",
    "leaf": "leaves",
    "life": "lives",
    "knife": "knives",
    "wife": "wives",
    "half": "halves",
    "self": "selves",
    "shelf": "shelves",
    "wolf": "wolves",
    "thief": "thieves",
    "loaf": "loaves",
    "calf": "calves",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "echo": "echoes",
    "quiz": "quizzes",
    "status": "statuses",
    "alias": "aliases",
    "bus": "buses",
    "series": "series",
    "species": "species",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "moose": "moose",
    "equipment": "equipment",
    "information": "information",
    "news": "news",
    "metadata": "metadata",
}
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}

# A boundary stands before a capital after a small letter or digit, and before the last capital of a run (HTTPLog).
_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """Return ``OrderItem`` as ``order_item`` and ``HTTPLog`` as ``http_log``."""
    return _BOUNDARY.sub("_", name).lower()


def plural(word: str) -> str:
    """Return the plural of a lower-case English noun."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search(r"[^aeiou]y\Z", word):
        return word[:-1] + "ies"
    if re.search(r"(?:s|x|z|ch|sh)\Z", word):
        return word + "es"
    return word + "s"


def singular(word: str) -> str:
    """Return a noun whose plural is `word` if there is an obvious one, else `word`."""
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _IRREGULAR or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and plural(word[:-3] + "y") == word:
        return word[:-3] + "y"
    for ending in ("es", "s"):
        stem = word.removesuffix(ending)
        if stem != word and plural(stem) == word and (ending == "s" or stem[-1:] in "sxzh"):
            return stem
    return word


def table_name(entity: str) -> str:
    """Return the table of an entity: snake case, the last word in the plural."""
    head, underscore, last = snake_case(entity).rpartition("_")
    return head + underscore + plural(last)


def type_name(entity: str) -> str:
    """Return the type of an enum: snake case as it stands."""
    return snake_case(entity)


def entity_name(table: str) -> str:
    """Return a fitting entity name for a table: Pascal case, singular; the result may need quotes."""
    head, underscore, last = table.rpartition("_")
    return pascal_case(head + underscore + singular(last))


def pascal_case(name: str) -> str:
    """Return ``order_item`` as ``OrderItem``."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", name) if word) or name


def is_entity_name(name: str) -> bool:
    """Whether `name` is Pascal case and singular, as entity names should be."""
    if not name[:1].isupper() or "_" in name:
        return False
    last = snake_case(name).rpartition("_")[2]
    return singular(last) == last
