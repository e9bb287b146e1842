"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import merian

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "merian"

# A room may import any room before it and none after it.
ROOMS = (
    "taxonomy", "place", "catalogue", "formats", "world", "barcode", "image", "text", "learn",
    "library", "identify", "audit", "metabarcoding", "discover", "measure", "tray", "report",
    "desk", "bench", "demo", "cli", "__main__",
)  # fmt: skip
ORDER = {room: place for place, room in enumerate(ROOMS, 1)}

# Broken or closed to us: they do not import beside the torch that we support.
FORBIDDEN = {"torchvision", "timm", "open_clip"}
HEAVY = (
    "duckdb", "numpy", "numba", "torch", "PIL", "jinja2", "rapidfuzz", "safetensors", "dnaio",
)  # fmt: skip

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a module: "" for the package's own door, a file's name for ground modules."""
    return module.split(".")[1] if "." in module else ""


def place_of(module: str) -> int:
    """Its place in the order; ground modules stand before all rooms."""
    return ORDER.get(room_of(module), 0)


def imports(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Every module that a source imports, at its top, in functions or for types only."""
    package = module if importlib.util.find_spec(module).submodule_search_locations else (
        module.rpartition(".")[0]
    )  # fmt: skip
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            start = importlib.util.resolve_name(dots + (node.module or ""), package)
            for alias in node.names:
                yield node.lineno, f"{start}.{alias.name}" if start == "merian" else start
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", "") == "import_module"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, node.args[0].value


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_a_room_imports_only_rooms_before_it(file):
    module = module_name(file)
    late = [
        f"{file}:{line}: {module} imports {other}"
        for line, other in imports(file.read_text(encoding="utf-8"), module)
        if other.startswith("merian.") and place_of(other) > place_of(module)
    ]
    assert late == []


def test_the_import_order_test_sees_a_fault():
    source = "def f():\n    from merian.cli import app\n    import merian.catalogue.schema\n"
    found = list(imports(source, "merian.taxonomy.ranks"))
    assert [other for _, other in found] == ["merian.cli", "merian.catalogue.schema"]
    assert all(place_of(other) > place_of("merian.taxonomy.ranks") for _, other in found)


def test_every_folder_is_a_room():
    folders = {p.parent.name for p in PACKAGE.glob("*/*.py")}
    assert folders <= set(ROOMS)


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_a_module_is_short_says_what_it_is_and_imports_nothing_forbidden(file):
    source = file.read_text(encoding="utf-8")
    assert source.count("\n") <= 400
    assert ast.get_docstring(ast.parse(source)), f"{file} does not say what it is"
    outside = {other.split(".")[0] for _, other in imports(source, module_name(file))}
    assert not outside & FORBIDDEN
    assert "TODO" not in source


def test_the_package_works_without_torch():
    rooms = [p.parent.name for p in sorted(PACKAGE.glob("*/__init__.py"))]
    names = [f"merian.{room}" for room in rooms]
    run_python(
        "import sys, importlib\n"
        "sys.modules['torch'] = None\n"  # importing it raises from here on
        f"[importlib.import_module(name) for name in {names!r}]\n"
    )


def test_no_heavy_package_is_loaded_when_the_command_line_starts():
    code = (
        "import sys, json, merian.cli\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    assert json.loads(run_python(code)) == []


def test_the_package_itself_loads_nothing():
    code = "import sys, merian; print([m for m in sys.modules if m.startswith('merian.')])"
    assert run_python(code).strip() == "['merian.errors']"


def test_version_licence_and_extras_agree_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert f"version: {merian.__version__}\n" in citation
    assert f"## [{merian.__version__}]" in changelog
    assert project["license"] == "Apache-2.0"
    assert "license: Apache-2.0" in citation
    assert "Apache License\n                           Version 2.0" in licence

    from merian.cli.machine import EXTRAS

    extras = project["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"all"}
    named = set(re.findall(r"[\w-]+", re.search(r"\[(.*)\]", extras["all"][0])[1]))
    assert named == set(EXTRAS) - {"docs", "test"}


def test_the_readme_names_only_extras_that_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {extra for group in re.findall(r"\.\[([\w,]+)\]", readme) for extra in group.split(",")}
    assert {"models", "app", "test"} <= named <= set(project["optional-dependencies"])
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or 3.13" in readme
