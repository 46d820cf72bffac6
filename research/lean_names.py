"""Writes the list of LEAN's names from quantconnect-stubs.

    python -m research.lean_names

The list is `engine/common/lean_names.txt`; run this when the stubs are of another version.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from engine.common.lean_names import FILE
from research.conditions import option_parser

_NAMES_ONLY = {"System", "QuantConnect.Data.Fundamental", "QuantConnect.DataSource"}
"""Namespaces whose classes are listed without members: next to nothing of theirs is supported."""
_LISTED = {
    "DayOfWeek",
    "FineFundamental",
    "Fundamental",
    "FundamentalUniverse",
    "Random",
    "TimeSpan",
}
"""Those of them that are."""
_BLOCK = re.compile(r"^    (?:def )?([A-Za-z]\w*)(\([^\n]*|: [^\n]*| =[^\n]*)\n", re.MULTILINE)
_GENERIC_METHOD = re.compile(r"(?:: |.* -> )QuantConnect[\w.]*\._\w+:?$")
_PROTECTED = re.compile(r"This \w+ is protected\.")
_HEAD = re.compile(r"^class (\w+)(?:\(([^\n]*)\))?:", re.MULTILINE)
_LOST_BASES = {"IndicatorBase": ("WindowBase",)}
"""Of a class that has the name of a generic one, the stubs keep the generic one only."""
_PYTHON_BASES = ("Generic", "IntEnum", "ABCMeta", "Object")


def stubs() -> Path:
    """The folder that holds the stubs.

    Raises:
        FileNotFoundError: if quantconnect-stubs is not installed.
    """
    # Not by `find_spec`: where the engine has been imported, it finds the engine's own module.
    for place in map(Path, sys.path):
        if (place / "AlgorithmImports" / "__init__.pyi").exists():
            return place
    raise FileNotFoundError("quantconnect-stubs is not installed: pip install quantconnect-stubs")


def exported_namespaces(folder: Path) -> list[str]:
    """The namespaces whose names AlgorithmImports exports, in its order."""
    source = (folder / "AlgorithmImports" / "__init__.pyi").read_text(encoding="utf-8")
    names = re.findall(r"^from (\S+) import +\*", source, re.MULTILINE)
    return [name for name in names if name != "typing"]


def class_sources(folder: Path, namespace: str) -> dict[str, str]:
    """Source of each public class of a namespace, by name."""
    path = folder / namespace.replace(".", "/") / "__init__.pyi"
    blocks = re.split(r"^(?=class )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    sources: dict[str, str] = {}
    for block in blocks:
        name = re.match(r"class (\w+)", block)
        if name is not None and not name[1].startswith("_"):
            # A name may be both a class and a generic class: they are one to an algorithm.
            sources[name[1]] = sources.get(name[1], "") + block
    return sources


def base_names(source: str) -> list[str]:
    """Names of a class's bases, without namespaces and type arguments."""
    own, names = "", []
    for head in _HEAD.finditer(source):
        own, text = head[1], head[2] or ""
        while "[" in text:
            text = re.sub(r"\[[^\[\]]*\]", "", text)
        # The stubs write a class that a generic one of its name derives from as an alias: A_B_C.
        names += [re.split(r"[._]", part.strip())[-1] for part in text.split(",")]
    names += _LOST_BASES.get(own, ())
    wanted = dict.fromkeys(name for name in names if name not in {"", own, *_PYTHON_BASES})
    return list(wanted)


def marked_members(source: str) -> list[str]:
    """Members of a class as the list writes them: methods end with `()`, protected begin with `-`.

    What has a public overload is public.
    """
    kinds: dict[str, set[str]] = {}
    last, *parts = _BLOCK.split(source)
    for name, rest, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        above, last = last.rstrip(), body
        if above.endswith(".setter"):
            continue
        plain = rest[0] == "(" and not above.endswith("@property")
        is_method = plain or _GENERIC_METHOD.match(rest) is not None
        hidden = "-" if _PROTECTED.search(body) else ""
        kinds.setdefault(name, set()).add(f"{hidden}{name}{'()' if is_method else ''}")
    return [min(kinds[name], key=lambda text: text[0] == "-") for name in sorted(kinds)]


def entry(name: str, source: str | None) -> str:
    """The line of a class; only its name if there is no source."""
    if source is None:
        return name
    bases = base_names(source)
    members = marked_members(source)
    line = (
        f"{name}({' '.join(bases)}): {' '.join(members)}"
        if bases
        else (f"{name}: {' '.join(members)}")
    )
    return textwrap.fill(line, 100, subsequent_indent=" ", break_on_hyphens=False).rstrip()


def listing(folder: Path) -> str:
    """The whole list."""
    lines = []
    known: set[str] = set()
    for namespace in exported_namespaces(folder):
        lines.append(f"[{namespace}]")
        for name, source in sorted(class_sources(folder, namespace).items()):
            if name not in known:
                known.add(name)
                bare = namespace in _NAMES_ONLY and name not in _LISTED
                lines.append(entry(name, None if bare else source))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the list."""
    option_parser(__doc__).parse_args()
    FILE.write_text(listing(stubs()), encoding="utf-8")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
