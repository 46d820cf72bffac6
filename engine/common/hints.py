"""What LEAN's Python bridge says of an attribute that is not there: similar names of the class.

Similarity is Jaro's and Winkler's; names that hold the missing one, or lie in it, count too.
"""

from __future__ import annotations

from functools import cache, lru_cache

from engine.common.lean_names import lean_classes

_CLOSE, _MOST = 0.87, 5
_PREFIX, _PREFIX_WEIGHT = 4, 0.1
_FRAGMENT = 3
_OBJECT = ("equals()", "get_hash_code()", "get_type()", "reference_equals()", "to_string()")


@cache
def _listed(name: str) -> frozenset[str]:
    """Public members of a class of LEAN's as its list writes them, with those it inherits."""
    entry = lean_classes().get(name)
    if entry is None:
        return frozenset()
    own = {text for text in entry.listed if text[0] != "-"}
    return frozenset(own.union(_OBJECT, *(_listed(base) for base in entry.bases)))


def _jaro(first: str, second: str) -> float:
    if first == second:
        return 1.0
    if not first or not second:
        return 0.0
    reach = max(0, max(len(first), len(second)) // 2 - 1)
    found: list[str] = []
    taken: set[int] = set()
    for index, letter in enumerate(first):
        for place in range(max(0, index - reach), min(len(second), index + reach + 1)):
            if place not in taken and second[place] == letter:
                taken.add(place)
                found.append(letter)
                break
    if not found:
        return 0.0
    pairs = zip(found, (second[place] for place in sorted(taken)), strict=True)
    swapped = sum(a != b for a, b in pairs) // 2
    count = len(found)
    return (count / len(first) + count / len(second) + (count - swapped) / count) / 3


def similarity(first: str, second: str) -> float:
    """Jaro-Winkler similarity of two words, 0 to 1, whatever their case."""
    first, second = first.lower(), second.lower()
    near = _jaro(first, second)
    common = 0
    while common < min(_PREFIX, len(first), len(second)) and first[common] == second[common]:
        common += 1
    return near + common * _PREFIX_WEIGHT * (1 - near)


def _holds(name: str, other: str) -> bool:
    """Whether one lies in the other, neither being too short to say something."""
    small, large = name.lower(), other.lower()
    if len(small) >= _FRAGMENT and small in large:
        return True
    return len(large) >= _FRAGMENT and 2 * len(large) >= len(small) and large in small


@lru_cache(maxsize=1024)
def similar_members(class_name: str, missing: str) -> str:
    """`" Did you mean: 'a', 'b'?"` for a name that a class of LEAN's has not; "" if none is near.

    What is called is offered for what is called, values for values, as the nearest name decides.
    """
    scored = []
    for text in _listed(class_name):
        name = text.removesuffix("()")
        score = similarity(missing, name)
        if score < _CLOSE:
            inside = _holds(missing, name)
            score = min(len(missing), len(name)) / max(len(missing), len(name)) if inside else 0.0
        if score:
            scored.append((-score, name.upper(), name, text != name))
    if not scored:
        return ""
    scored.sort()
    wanted = scored[0][3]
    names = [f"'{name}'" for _, _, name, is_method in scored if is_method == wanted]
    return f" Did you mean: {', '.join(names[:_MOST])}?"
