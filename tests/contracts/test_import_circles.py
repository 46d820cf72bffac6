"""No module needs itself: the imports of the code form no circle, nor do the engine's rooms."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "sim", "algorithm", "engine")

Graph = dict[str, set[str]]


def modules(root: Path, packages: tuple[str, ...]) -> dict[str, Path]:
    """Files by dotted name; a package is the name of its `__init__.py`."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert found, f"no modules in {packages}"
    return found


def nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    """Every node below, functions included; what only a type checker reads if `typing`."""
    for child in ast.iter_child_nodes(tree):
        guard = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        if guard and not typing:
            for statement in child.orelse:
                yield statement
                yield from nodes(statement, typing)
            continue
        yield child
        yield from nodes(child, typing)


def import_graph(files: dict[str, Path], typing: bool = False) -> Graph:
    """What each module imports, at any depth of its code.

    Importing `a.b.c` also runs the packages `a` and `a.b`, so they count, except those that the
    importing module lies in: they are already running.
    """
    graph: Graph = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        named = set()
        for node in nodes(ast.parse(path.read_text(encoding="utf-8")), typing):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*(parts if node.level else []), *filter(None, [node.module])])
                inner = {f"{base}.{alias.name}" for alias in node.names}
                named |= (inner & files.keys()) or {base}
        for target in list(named):
            while target := target.rpartition(".")[0]:
                named.add(target)
        around = {name, package, *(package[:i] for i, c in enumerate(package) if c == ".")}
        graph[name] = (named & files.keys()) - around
    return graph


def circle(graph: Graph) -> list[str]:
    """One circle of the graph, first and last the same; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def written(root: Path, **sources: str) -> dict[str, Path]:
    """A package of modules by name, their lines parted by `|`; a slash makes a subpackage."""
    for name, source in {"__init__": "", **sources}.items():
        path = root / "pack" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.replace("|", "\n"), encoding="utf-8")
    return modules(root, ("pack",))


@pytest.mark.parametrize(
    "back",
    [
        "from pack.a import x",
        "from pack import a",
        "from . import a",
        "from .a import x",
        "import pack.a",
        "def f():|    from pack.a import x",
        "if True:|    import pack.a as b",
    ],
)
def test_a_circle_is_found_however_the_import_is_written(tmp_path, back):
    files = written(tmp_path, a="from pack.b import y", b="from pack.c import z", c=back)
    assert set(circle(import_graph(files))) == {"pack.a", "pack.b", "pack.c"}


@pytest.mark.parametrize(
    "back", ["", "import other.a", "if TYPE_CHECKING:|    from pack.a import x", "from . import d"]
)
def test_no_circle_is_found_where_there_is_none(tmp_path, back):
    files = written(tmp_path, a="from pack.b import y", b=back, d="x = 1")
    assert circle(import_graph(files)) == []


def test_importing_a_module_counts_as_importing_its_package(tmp_path):
    inner = {"sub/__init__": "from pack.a import y", "sub/leaf": ""}
    files = written(tmp_path, a="from pack.sub.leaf import x", **inner)
    found = circle(import_graph(files))
    assert set(found) == {"pack.a", "pack.sub"}


def test_the_modules_import_each_other_in_no_circle():
    assert circle(import_graph(modules(ROOT, PACKAGES))) == []


def test_the_engine_has_no_circle_of_types_either():
    assert circle(import_graph(modules(ROOT, ("engine",)), typing=True)) == []


def test_the_rooms_of_the_engine_import_each_other_in_no_circle():
    rooms: Graph = {}
    for name, targets in import_graph(modules(ROOT, ("engine",))).items():
        room = ".".join(name.split(".")[:2])
        others = {".".join(target.split(".")[:2]) for target in targets}
        rooms.setdefault(room, set()).update(others - {room, "engine"})
    assert {"engine.common", "engine.api", "engine.run"} <= rooms.keys()
    assert circle(rooms) == []
