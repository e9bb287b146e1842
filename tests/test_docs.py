"""The pages: every snippet runs, every link leads somewhere, every table is what the code says.

In README.md and docs/, a ``console`` block holds commands after ``$`` and what they print (``...``
stands for anything); a ``python`` block is run; a block with a title is a file. They are run in
order, page by page, each page in a folder of its own. A ``sh`` block is shown and not run, and the
comment before it says why.

The README is run as its reader runs it, in a shell. On the other pages a plain ``merian VERB ...``
is run within the process of the test, which has numba and PyTorch loaded already: to start each of
some hundred commands takes longer than what most of them do.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from merian import demo
from merian.cli import main
from merian.files import content_hash

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^```(?P<head>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
QUOTED = re.compile(r'"[^"$`]*"|\'[^\']*\'')
# What two pages do with the same records, and takes long: a promise is learnt.
WORLDLY = "library build reference.csv -o world".split()
SHOWN = {"text", "sql", "toml", "json"}


def blocks(page: Path) -> list[tuple[int, str, str, str]]:
    """Line, head, body and what stands right before each fenced block."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, m.start()) + 1, m["head"].strip(), m["body"], text[: m.start()])
        for m in BLOCK.finditer(text)
    ]


def environment() -> dict[str, str]:
    """The environment of somebody who has activated the virtual environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}


def run(command: list[str] | str, folder: Path) -> str:
    done = subprocess.run(
        command, shell=isinstance(command, str), cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def heard(does: Callable[[], int]) -> tuple[int, str]:
    """What is done within this process, and all that it and its children print in its course."""
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        try:
            for number in (1, 2):
                os.dup2(printed.fileno(), number)
            printed.reconfigure(write_through=True)
            with redirect_stdout(printed), redirect_stderr(printed):
                code = does()
        finally:
            for number, copy in enumerate(kept, 1):
                os.dup2(copy, number)
                os.close(copy)
        printed.seek(0)
        return code, printed.read()


def run_verb(words: list[str]) -> str:
    code, printed = heard(lambda: main(words))
    assert code == 0, f"{shlex.join(words)}\n{printed}"
    return printed


def build_library(words: list[str], kept: Path, built: dict[tuple[str, ...], str]) -> str:
    """Build a library that can promise something once for all pages that build the same one."""
    source, out = Path(words[2]), Path(words[-1])
    key = (*words, content_hash(source))
    copy = kept / content_hash(source)
    if key not in built:
        built[key] = run_verb(words)
        shutil.copytree(out, copy)
    else:
        shutil.copytree(copy, out)
    return built[key]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], str]:
    kept, built = tmp_path_factory.mktemp("libraries"), dict[tuple[str, ...], str]()
    return lambda words: build_library(words, kept, built)


def run_python(body: str, place: str) -> None:
    """Run a block as ``python -W error`` does: with names of its own."""

    def does() -> int:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                exec(compile(body, place, "exec"), {"__name__": "__main__"})
        except Exception:
            traceback.print_exc()
            return 1
        return 0

    code, printed = heard(does)
    assert code == 0, f"{place}\n{printed}"


def verb_of(command: str) -> list[str] | None:
    """The words of a command that is a verb of Merian and asks nothing else of the shell."""
    asked = set(QUOTED.sub("", command)) & set("|&;<>$*?~`#()")
    words = shlex.split(command)
    return words[1:] if words[0] == "merian" and not asked else None


def agrees(expected: str, got: str) -> bool:
    """Whether an output is what the page shows; blanks count once, ``...`` is anything."""
    parts = [re.escape(" ".join(p.split())) for p in expected.split("...")]
    return re.fullmatch(r"\s?.*?\s?".join(parts), " ".join(got.split())) is not None


def commands(body: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that the page shows."""
    found: list[tuple[str, str]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found:
            command, output = found[-1]
            if command.endswith("\\"):
                found[-1] = (command[:-1] + line.strip(), "")
            else:
                found[-1] = (command, f"{output}{line}\n")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_snippet_of_a_page_runs(page, tmp_path, monkeypatch, libraries):
    # The demonstration is whole, of a smaller world.
    monkeypatch.setattr(demo, "WORLD", replace(demo.WORLD, species=60, specimens=150, size=64))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    ran = 0
    for line, head, body, _ in blocks(page):
        kind = head.split()[0] if head else ""
        title = TITLE.search(head)
        if title:
            file = tmp_path / title[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8")
        elif kind == "python":
            run_python(body, f"{page.name}:{line}")
        elif kind == "console":
            for command, expected in commands(body):
                words = verb_of(command)
                if words is None or page == PAGES[0]:
                    got = run(command, tmp_path)
                else:
                    got = libraries(words) if words == WORLDLY else run_verb(words)
                if expected.strip():
                    assert agrees(expected, got), f"{page.name}:{line}: {command}\nprints\n{got}"
                ran += 1
    assert ran or "```console" not in page.read_text(encoding="utf-8")


def test_the_snippet_test_tells_right_from_wrong():
    assert agrees("a ... c\n", "a  b\nb c\n")
    assert agrees("2 taxa\n", "2   taxa\n")
    assert not agrees("2 taxa\n", "3 taxa\n")
    assert not agrees("a ... c\n", "a b")
    query = "SELECT count(*) FROM b"
    assert verb_of(f'merian query a "{query}"') == ["query", "a", query]
    for command in ("cat a", "merian info a | head", "merian info *"):
        assert verb_of(command) is None
    assert commands("$ one \\\n  two\nout\n$ three\n") == [("one two", "out\n"), ("three", "")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page):
    for line, head, _, before in blocks(page):
        kind = head.split()[0] if head else ""
        place = f"{page.name}:{line}"
        if kind == "sh":
            reason = before.rstrip().endswith("-->") and "<!-- not run: " in before[-200:]
            assert reason or page.name == "README.md", f"{place} is not run and does not say why"
        else:
            known = kind in SHOWN | {"python", "console"} or TITLE.search(head)
            assert known, f"{place} is of no kind that is run or known: {head!r}"


def test_the_readme_has_the_two_commands_and_no_other_that_is_not_run():
    install, test = [body for _, head, body, _ in blocks(PAGES[0]) if head == "sh"]
    for block in (install, test):
        assert block.startswith("python3 -m venv .venv && . .venv/bin/activate\n")
    assert "merian demo" in install
    assert 'python -m pip install ".[models,test]" && python -m pytest' in test


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_internal_link_leads_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"(?<!\!)\[[^\]]*\]\(([^)]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page, as the headings give them."""
    heads = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.replace("`", "")).strip().lower().replace(" ", "-")
            for head in heads}  # fmt: skip


def test_every_page_is_in_the_menu():
    menu = re.findall(r"^  - .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(menu) == sorted(page.name for page in PAGES[1:])


def test_the_pages_build_without_a_warning(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    printed = run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], tmp_path)
    assert "Warning" not in printed
    assert (tmp_path / "site" / "glossary" / "index.html").is_file()
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis" not in home


def test_the_glossary_is_in_order_and_explains_each_word():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^([^\n:#]+)\n:   \S", text, re.MULTILINE)
    assert len(words) > 40
    assert words == sorted(words, key=str.lower)
    needed = {"taxon", "usage", "name", "homonym", "synonym", "identification", "determination",
              "evidence", "novelty", "promise", "posterior", "occurrence", "event", "material",
              "media", "BIN", "checklist", "lock", "reject", "run"}  # fmt: skip
    assert needed <= set(words)


def test_the_tables_of_the_pages_are_what_the_code_says():
    spec = importlib.util.spec_from_file_location("tables", ROOT / ".ci" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    seen = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        seen += [m[2] for m in tables.MARK.finditer(text)]
        assert tables.filled(text) == text, f"{page.name}: run `python .ci/tables.py`"
    assert sorted(seen) == sorted(tables.TEXTS)


def test_the_pages_list_every_format_and_every_column():
    from merian.catalogue import TABLES
    from merian.formats import formats

    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in formats())
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for found in TABLES.values():
        part = page.split(f"### {found.name}\n")[1].split("###")[0]
        assert all(f"| `{column}` |" in part for column in found.columns)


def test_the_page_of_names_explains_every_answer_and_every_cause():
    from merian.taxonomy import CAUSES

    text = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    for cause, meaning in CAUSES.items():
        assert f"| {cause} | {meaning} |" in text
    for answer in ("EXACT", "VARIANT", "HIGHERRANK", "NONE"):
        assert f"| {answer} |" in text


def test_the_tree_of_errors_is_the_one_in_the_code():
    import merian.errors

    drawn = re.search(r"MerianError\n\s*├.*?\n\n", merian.errors.__doc__, re.DOTALL)[0]
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    classes = re.findall(r"\w+Error", drawn)
    assert classes == re.findall(r"\w+Error", page.split("```text")[1].split("```")[0])
