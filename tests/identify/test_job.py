"""The job: the same bytes whatever the processes, killed and continued, each sequence once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.identify.conftest import ROOT, bases, fasta
from tests.identify.fake import determination

from merian.errors import InputError, MerianError
from merian.identify import Choice, chunks
from merian.identify.answers import read_answers
from merian.identify.chunks import sample
from merian.identify.job import identify_files
from merian.identify.queries import Queries, Query

MANY = 4_500


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Some thousand queries, every third one again, and some that are none."""
    rows = [(f"q{n}", bases(n // 3 if n % 3 else n, 80)) for n in range(MANY)]
    rows[7], rows[4000] = ("short", "ACGT"), ("protein", "MKVLAAGIVGLLLAQWERTYPLKDFGHSPLIV" * 3)
    return fasta(tmp_path_factory.mktemp("many") / "q.fasta", rows)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".jsonl"])
def test_the_same_bytes_whatever_the_processes_and_the_chunks(
    suffix, many, plain_library, tmp_path, faked, monkeypatch
):
    found = []
    for number, (processes, size) in enumerate([(1, 1_000), (2, 1_000), (3, 170), (1, 99_999)]):
        monkeypatch.setattr(chunks, "CHUNK", size)
        folder = tmp_path / str(number)
        done = identify_files(
            Queries([many]), plain_library, folder / f"out{suffix}", processes=processes
        )
        found.append(written(folder))
        assert done.queries == MANY - 2
        assert done.set_aside == {"The sequence is too short": 1, "This is a protein": 1}
        assert sum(done.standing.values()) == MANY - 2
    assert all(files == found[0] for files in found)
    assert [*found[0]] == [f"out{suffix}{more}" for more in ("", ".merian.json", ".rejects.tsv")]
    asked = faked()
    workers = {process for process, _ in asked}
    assert len(workers) > 1
    answers = {row["id"]: row for row in read_answers(tmp_path / "0" / f"out{suffix}")}
    assert [*answers] == [f"q{n}" for n in range(MANY) if n not in (7, 4000)]
    assert answers["q5"]["rank"] == (determination(bases(1, 80)).rank or None)


def test_each_sequence_is_asked_once(many, plain_library, tmp_path, faked):
    for processes in (1, 2):
        before = len(faked())
        out = tmp_path / f"{processes}.tsv"
        identify_files(Queries([many]), plain_library, out, processes=processes)
        asked = [sequence for _, sequence in faked()[before:]]
        assert len(asked) == len(set(asked))
        assert set(asked) == {q.sequence for q in Queries([many]).read(tmp_path)
                              if isinstance(q, Query)}  # fmt: skip


def test_what_was_forgotten_is_asked_again(plain_library, tmp_path, faked, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 10)
    monkeypatch.setattr(chunks, "_REMEMBERED", 20)
    rows = [(f"q{n}", bases(n % 150)) for n in range(600)]
    out = tmp_path / "a.tsv"
    identify_files(Queries([fasta(tmp_path / "q.fasta", rows)]), plain_library, out, processes=1)
    assert 150 < len(faked()) <= 600
    assert len([*read_answers(out)]) == 600


def test_the_same_command_again_does_nothing_unless_something_changed(
    many, plain_library, tmp_path, faked
):
    out = tmp_path / "a.tsv"

    def again(**said):
        before = len(faked())
        done = identify_files(Queries([many]), plain_library, out, processes=1, **said)
        return done, len(faked()) - before

    first, asked = again()
    assert asked
    second, asked = again()
    assert (second.done_before, asked) == (True, 0)
    assert {**vars(second), "done_before": False} == vars(first)
    assert again(choice=Choice(0.1))[1]
    text = out.read_bytes()
    out.write_bytes(text + b"\n")
    assert again(choice=Choice(0.1))[1]
    assert out.read_bytes() == text


def test_the_mix_is_estimated_from_the_queries(many, plain_library, tmp_path, faked):
    out = tmp_path / "a.tsv"
    done = identify_files(Queries([many]), plain_library, out, estimate=True, processes=2)
    assert (done.novelty, done.estimated) == ((0.7, 0.2, 0.05, 0.05), True)
    stamp = json.loads(Path(f"{out}.merian.json").read_text())
    assert stamp["novelty"] == [0.7, 0.2, 0.05, 0.05]
    again = identify_files(Queries([many]), plain_library, out, estimate=True)
    assert (again.novelty, again.done_before) == (done.novelty, True)


def test_a_sample_does_not_hang_on_the_order():
    queries = [Query(str(n), bases(n)) for n in range(300)]
    assert sample(queries, 20) == sample([*queries[::-1], *queries], 20)
    assert len(set(sample(queries, 20))) == 20
    assert len(sample(queries[:5], 20)) == 5


def test_nothing_but_rejects_is_an_empty_table(plain_library, tmp_path, faked):
    empty = tmp_path / "empty.fasta"
    empty.touch()
    out = tmp_path / "a.tsv"
    done = identify_files(Queries([empty]), plain_library, out)
    assert (done.queries, done.set_aside) == (0, {"The file is empty": 1})
    assert [*read_answers(out)] == []
    assert done.rejects.read_text() == f"file\tline\tid\treason\n{empty}\t\t\tThe file is empty.\n"
    assert faked() == []


def test_an_output_that_cannot_be(many, plain_library, tmp_path, faked):
    with pytest.raises(InputError, match="is a folder"):
        (tmp_path / "a.tsv").mkdir()
        identify_files(Queries([many]), plain_library, tmp_path / "a.tsv")
    with pytest.raises(InputError, match="the suffix says how to write"):
        identify_files(Queries([many]), plain_library, tmp_path / "a.csv")
    assert written_names(tmp_path) == ["a.tsv"]


def written_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_child_that_dies_is_told(many, plain_library, tmp_path, faked, monkeypatch):
    monkeypatch.setenv("FAKE_DEATH", "1")
    with pytest.raises(MerianError, match="a process ended with 7"):
        identify_files(Queries([many]), plain_library, tmp_path / "a.tsv", processes=2)
    assert not (tmp_path / "a.tsv").exists()


# -- killed, stopped, continued -----------------------------------------------------------------

RUN = """
import sys
from merian.cli import main
from merian.identify import job, panel
from tests.identify import fake
panel.Identifier, job.OPENER = fake.FakeIdentifier, fake.OPENER
sys.exit(main(sys.argv[1:]))
"""


def start(many: Path, library: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    words = ["identify", str(many), "--library", str(library), "-o", str(out), "--processes", "2"]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
             **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come so far"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_killed_half_way_and_continued(by, many, plain_library, tmp_path):
    out, log = tmp_path / "killed" / "a.tsv", tmp_path / "asked.log"
    work = out.with_name(".a.tsv.identify")
    environment = {"FAKE_LOG": str(log), "FAKE_SECONDS": "0.7"}
    with start(many, plain_library, out, **environment) as child:
        wait_for(lambda: [*work.glob("??????.jsonl")])
        children = psutil.Process(child.pid).children(recursive=True)
        assert len(children) == 2
        child.send_signal(by)
        _, told = child.communicate(timeout=30)
    if by == signal.SIGINT:
        assert (child.returncode, told) == (130, "merian: stopped; nothing was half written\n")
    wait_for(lambda: not any(c.is_running() and c.status() != "zombie" for c in children), 10)
    assert written_names(out.parent) == [work.name]
    kept = len([*work.glob("??????.jsonl")])
    assert 1 <= kept < 9
    asked = len(log.read_text().splitlines())
    with start(many, plain_library, out, FAKE_LOG=str(log)) as child:
        shown, told = child.communicate(timeout=60)
    assert child.returncode == 0, told
    again = len(log.read_text().splitlines()) - asked
    whole = tmp_path / "whole" / "a.tsv"
    with start(many, plain_library, whole, FAKE_LOG=str(tmp_path / "all.log")) as child:
        child.communicate(timeout=60)
    assert again < len((tmp_path / "all.log").read_text().splitlines())
    assert written(out.parent) == written(whole.parent)
    assert f"{MANY - 2:,} answers in {out}" in shown


def test_what_another_command_left_is_of_no_use(many, plain_library, tmp_path, faked):
    out = tmp_path / "a.tsv"
    work = tmp_path / ".a.tsv.identify"
    work.mkdir()
    (work / "job.json").write_text('{"run": "another"}')
    (work / "000000.jsonl").write_text("rubbish")
    (work / "tables").mkdir()
    done = identify_files(Queries([many]), plain_library, out, processes=1)
    assert done.queries == MANY - 2
    assert not work.exists()
