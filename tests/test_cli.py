"""The frame of the command line: help, errors, exit codes, what goes where."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

import merian
from merian import MerianError, cli
from merian.cli import bench, doctor, main, screen

MERIAN = [sys.executable, "-m", "merian"]


def run(*words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MERIAN, *words], capture_output=True, text=True, encoding="utf-8", timeout=120,
        check=False, **options,
    )  # fmt: skip


def test_help_is_quick():
    best = min(_seconds("--help") for _ in range(3))
    assert best < 1.0  # 0.25 s where nothing else runs; the promise is half a second


def test_version_is_quick_and_right():
    assert min(_seconds("--version") for _ in range(3)) < 1.0
    assert run("--version").stdout.strip() == merian.__version__


def _seconds(word: str) -> float:
    start = time.perf_counter()
    assert run(word).returncode == 0
    return time.perf_counter() - start


def test_help_shows_the_verbs_in_the_order_of_the_road(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "Merian names what you found and says how sure it is." in text
    order = ["Data", "import", "info", "query", "export", "formats", "Names", "taxonomy", "library",
             "Identify", "identify", "explain", "promise",
             "Try it", "demo", "doctor", "bench", "Merian itself"]  # fmt: skip
    places = [text.index(f" {word} ") for word in order]
    assert places == sorted(places)


def verbs() -> list[list[str]]:
    names = [name for group in cli._ROAD.values() for name in group]
    return (
        [[name] for name in names]
        + [["taxonomy", v] for v in ("build", "match", "show")]
        + [["library", v] for v in ("build", "add", "info")]
        + [["promise", "check"]]
    )


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_and_option_is_explained(verb, capsys):
    assert main([*verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: merian {' '.join(verb)}")
    for line in text.splitlines():
        cells = line.strip("│ *").split("  ")
        if line.startswith("│") and cells[0].startswith("--"):
            assert len([c for c in cells if c.strip()]) > 1, f"not explained: {line}"


def test_no_word_shows_the_help(capsys):
    assert main([]) == 0
    assert "Usage: merian COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["imprt"], 'Did you mean "import"?'),
        (["taxonomy", "macth"], 'Did you mean "match"?'),
        (["import", "a", "--in", "c"], "--into"),
        (["import", "a"], "--into"),
        (["info", "a", "b"], "too many: b"),
        (["formats", "fastq-x"], "no format is called"),
        (["bench", "nothing"], "no bench is called"),
        (["bench", "names", "--rows", "20000"], "20,000; found 400,000"),
        (["info", "not-there"], "not-there"),
        (["taxonomy", "show", "not-there"], "not-there"),
        (["taxonomy", "match", "x"], "give names"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_the_user_can_put_right_is_told_in_one_line(
    words, told, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("merian: error: ")
    assert shown.err.count("\n") == 1
    assert told in shown.err


def raising(error: BaseException):
    def verb(*_, **__):
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (MerianError("a name\nover two lines \x1b[31m"), 2, "error: a name over two lines  [31m\n"),
        (PermissionError(13, "Permission denied", "/locked"), 2, "/locked: Permission denied"),
        (KeyboardInterrupt(), 130, "merian: stopped; nothing was half written\n"),
        (RuntimeError("Query interrupted"), 130, "merian: stopped; nothing was half written\n"),
        (ZeroDivisionError("division"), 1, "this is a fault of Merian"),
        (OSError("of no kind"), 1, "this is a fault of Merian"),
    ],
    ids=["merian", "place", "stopped", "stopped in DuckDB", "fault", "odd"],
)
def test_what_goes_wrong_inside_a_verb(error, code, told, monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", raising(error))
    assert main(["anything"]) == code
    shown = capsys.readouterr().err
    assert told in shown
    assert ("Traceback" in shown) == (code == 1)


def test_a_reader_that_goes_away_is_no_error():
    command = f"{shlex.join(MERIAN)} formats table | head -1"
    if os.name != "posix":
        pytest.skip("pipes break in this way on POSIX systems")
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode in (0, 141)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
def test_ctrl_c_is_one_line():
    code = (
        "import sys, time; from merian import cli\n"
        "def verb(*_, **__):\n    print('ready', flush=True); time.sleep(60)\n"
        "cli.app = verb; sys.exit(cli.main(['x']))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert told == "merian: stopped; nothing was half written\n"


def test_names_are_printed_in_utf8_whatever_the_locale():
    code = "from merian.cli import screen as s; s.speak_utf8(); print('\\u00e9 \\u2640')"
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PYTHON"))}
    for locale in ("C", "POSIX", "en_US.ISO-8859-1"):
        done = subprocess.run(
            [sys.executable, "-X", "utf8=0", "-c", code], capture_output=True, check=True,
            env={**plain, "LANG": locale, "LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"},
        )  # fmt: skip
        assert done.stdout.decode("utf-8").strip() == "é ♀"


def test_hostile_names_are_neither_markup_nor_control(capsys):
    screen.print_table(("name", "n"), [("[red]Apis[/red] :bee: \x1b[2J\nx", 1), (None, 20000)])
    shown = capsys.readouterr().out
    assert "[red]Apis[/red] :bee:  [2J x" in shown
    assert "\x1b" not in shown
    assert "20,000" in shown


def test_a_wide_table_is_not_broken_for_a_program(capsys):
    screen.print_table(("name",), [("a" * 500,)])
    assert "a" * 500 in capsys.readouterr().out


def test_progress_is_for_those_who_watch(capsys, monkeypatch):
    with screen.working("Reading") as job:
        job(1, 2)
    assert capsys.readouterr() == ("", "")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(screen, "_PATIENCE", 0.01)
    with screen.working("Reading [b]", quiet=True):
        time.sleep(0.1)
    assert terminal.getvalue() == ""
    with screen.working("Reading [b]") as job:
        time.sleep(0.2)
        job(3, 4)
        job.tell("Matching")
        time.sleep(0.3)
    assert "Reading [b]" in terminal.getvalue()
    assert "Matching" in terminal.getvalue()


def test_pairs_are_read():
    assert screen.pairs("--map", ["a=b", "c = d=e"]) == {"a": "b", "c": "d=e"}
    with pytest.raises(MerianError, match="expected name=value"):
        screen.pairs("--map", ["ab"])


# -- doctor ----------------------------------------------------------------------------------


def test_the_doctor_knows_this_machine(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["merian"] == merian.__version__
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 100_000_000
    assert found["packages"]["duckdb"]
    assert found["folders"]["temporary_folder"]["writable"] is True
    assert found["extras"]["test"]["installed"] is True
    assert found["problems"] == []


def test_the_doctor_ends_with_a_verdict(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1].startswith("All is well")
    missing = [line for line in lines if "add it:" in line]
    for line in missing:
        assert 'python -m pip install "merian[' in line


def test_the_doctor_sees_what_is_missing(monkeypatch):
    from merian.cli import machine

    def version(name: str) -> str:
        if name == "duckdb":
            return "0.9.2"
        raise machine.PackageNotFoundError

    monkeypatch.setattr(machine, "version", version)
    monkeypatch.setattr(machine, "folder", lambda path: {
        "path": str(path), "writable": False, "free_bytes": None})  # fmt: skip
    found = doctor._findings()
    assert found["extras"]["models"]["installed"] is False
    assert "train, embed and adopt need models" in doctor._verdict({**found, "problems": []})
    assert any("duckdb 0.9.2: Merian needs duckdb>=1.4" in p for p in found["problems"])
    assert any("cannot be written to" in p for p in found["problems"])
    assert found["verdict"].startswith("Not well: ")
    assert doctor._lines(found)[-1][1].endswith("NOT writable, unknown free")


@pytest.mark.parametrize(
    ("have", "bounds", "fits"),
    [("2.9.1+cpu", ">=2.9,<2.14", True), ("2.14.0", ">=2.9,<2.14", False), ("1", "", True),
     ("3.10.0", ">=3.9", True), ("0.40", ">=0.40", True), ("2.13.0rc1", ">=2.9,<2.14", True)],
)  # fmt: skip
def test_versions_are_compared_as_numbers(have, bounds, fits):
    from merian.cli.machine import _fits

    assert _fits(have, bounds) is fits


def test_the_doctor_never_fails(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["doctor", "--json"]) == 0


# -- bench -----------------------------------------------------------------------------------

TOY = '''"""A toy: how long nothing takes.

More.
"""
from pathlib import Path
NAME = "toy-bench"
PEERS = {"other": {"value": 3, "source": "nowhere"}}

def run(rows: int = 10, share: float = 0.5, seed: int | None = None, data: Path | None = None,
        fast: bool = False) -> dict:
    return {"rows": {"value": rows, "unit": "rows", "n": 1}, "share": {"value": share},
            "fast": {"value": float(fast)}}
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    import merian.bench

    folder = tmp_path / "benches"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    (folder / "shared_part.py").write_text('"""Nothing to run."""\n')
    monkeypatch.setattr(merian.bench, "__path__", [str(folder)])
    yield folder
    sys.modules.pop("merian.bench.toy", None)


def test_benches_are_listed_without_being_run(toy, capsys):
    assert main(["bench"]) == 0
    assert "toy-bench  A toy: how long nothing takes." in capsys.readouterr().out
    assert "merian.bench.toy" not in sys.modules


def test_a_bench_runs_with_its_settings_and_writes_its_figures(toy, capsys, tmp_path):
    out = tmp_path / "figures.json"
    words = ["bench", "toy-bench", "--rows", "1_000", "--seed", "7", "--fast", "yes"]
    assert main([*words, "--json", str(out)]) == 0
    assert "1,000" in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert found["bench"] == "toy-bench"
    assert found["version"] == merian.__version__
    assert found["seed"] == 7
    assert found["figures"]["rows"] == {"value": 1000, "low": None, "high": None, "n": 1,
                                        "unit": "rows"}  # fmt: skip
    assert found["figures"]["fast"]["value"] == 1.0
    assert found["peers"] == {"other": {"value": 3, "source": "nowhere"}}


def test_the_hash_of_the_data_follows_settings_and_files(toy, tmp_path):
    from merian.bench import measure

    data = tmp_path / "data.csv"
    hashes = []
    for text in ("a", "b"):
        data.write_text(text)
        hashes.append(measure("toy-bench", {"data": str(data)}).data_hash)
    hashes += [measure("toy-bench").data_hash, measure("toy-bench", {"rows": "3"}).data_hash]
    assert len(set(hashes)) == 4
    moved = data.rename(tmp_path / "moved.csv")
    assert measure("toy-bench", {"data": str(moved)}).data_hash == hashes[1]


@pytest.mark.parametrize(
    ("setting", "told"),
    [(("--rws", "3"), "Did you mean rows?"), (("--rows", "many"), "to be of type int")],
)
def test_a_wrong_setting_is_told(toy, setting, told, capsys):
    assert main(["bench", "toy-bench", *setting]) == 2
    assert told in capsys.readouterr().err


def test_a_figure_without_a_value_is_a_fault():
    from merian.bench import _figure

    with pytest.raises(ValueError, match="no finite value"):
        _figure("b", "f", {"value": float("nan")})
    with pytest.raises(ValueError, match="nobody reads"):
        _figure("b", "f", {"value": 1, "unti": "s"})


def test_every_bench_says_what_it_measures_and_has_defaults():
    import ast
    import importlib.util

    from merian.bench import benches

    for found in benches().values():
        assert found.measures.endswith(".")
        tree = ast.parse(Path(importlib.util.find_spec(found.module).origin).read_text())
        run_function = next(s for s in tree.body if getattr(s, "name", "") == "run")
        a = run_function.args
        assert len(a.defaults) + len([d for d in a.kw_defaults if d]) == len(
            [*a.posonlyargs, *a.args, *a.kwonlyargs]
        )
    assert bench.bench.__doc__


def test_who_stops_a_command_while_it_is_loaded_sees_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from merian.__main__ import run

    class Loading(ModuleType):
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "merian.cli", Loading("merian.cli"))
    assert run() == 130
    assert capsys.readouterr().err == "merian: stopped; nothing was half written\n"
