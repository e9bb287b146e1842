"""The bench of formats: it damages alike for a seed, and sees each way in which a reader fails."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from merian.bench import format_trial
from merian.bench.format_mutations import MUTATIONS, Chance, damage
from merian.bench.formats import run, try_format
from merian.catalogue.sources import Reading, Reject, Rows
from merian.errors import FormatError, InputError
from merian.formats import Format, find_format, formats

# Each takes a second or two to start; the others are measured by `merian bench formats`.
FILES = 30


@pytest.mark.parametrize("name", sorted(formats()))
def test_a_damaged_file_is_read_or_refused(name: str) -> None:
    found = try_format(name, 0, FILES, seconds=5, gigabytes=2, imports=15)
    assert sum(found.counts.values()) == FILES
    assert [str(failure) for failure in found.failures] == []


def test_the_damage_is_the_same_for_a_seed(tmp_path: Path) -> None:
    def damaged(folder: str, seed: str) -> dict[str, bytes]:
        path = find_format("hf-imagefolder").fake(tmp_path / folder, 1)
        damage(path, seed)
        return {p.relative_to(tmp_path / folder).as_posix(): p.read_bytes()
                for p in path.rglob("*") if p.is_file()}  # fmt: skip

    whole = damaged("a", "x 1")
    assert damaged("b", "x 1") == whole
    assert damaged("c", "x 2") != whole


def packed(kind: str, text: bytes) -> bytes:
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as folder:
            folder.writestr("a.csv", text)
    elif kind == "tar":
        with tarfile.open(fileobj=made, mode="w") as tape:
            member = tarfile.TarInfo("a.csv")
            member.size = len(text)
            tape.addfile(member, io.BytesIO(text))
    else:
        made.write(gzip.compress(text))
    return made.getvalue()


def unpacked(kind: str, content: bytes) -> bytes:
    if kind == "gzip":
        return gzip.decompress(content)
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as folder:
            return folder.read("a.csv")
    with tarfile.open(fileobj=io.BytesIO(content)) as tape:
        stream = tape.extractfile("a.csv")
        assert stream is not None
        return stream.read()


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_what_is_packed_is_damaged_within(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "packed"
    text = b"id,name\n" + b"1,Calanus\n" * 9
    changed = 0
    for seed in range(30):
        path.write_bytes(packed(kind, text))
        if any("within" in what for what in damage(path, f"x {seed}")):
            changed += unpacked(kind, path.read_bytes()) != text
    assert changed > 5


@pytest.mark.parametrize("way", sorted(set(MUTATIONS), key=lambda way: way.__name__),
                         ids=lambda way: way.__name__)  # fmt: skip
def test_a_mutation_takes_any_content(way: object) -> None:
    assert callable(way)
    changed = 0
    for seed in range(40):
        for content in (b"", b"a", b"\0\xff" * 40, b"id,x\nA,1.5\nB,2e3\n", "é".encode() * 30):
            found = way(Chance(seed), content)
            assert isinstance(found, bytes)
            changed += found != content
    assert changed > 40


def reader(read: object) -> Format:
    def fake(folder: Path, seed: int) -> Path:
        path = folder / "a.txt"
        path.write_text(f"{seed}\n" * 9)
        return path

    return Format("odd", "odd", lambda _path: 3, read, fake)  # type: ignore[arg-type]


def outcome(monkeypatch: pytest.MonkeyPatch, read: object) -> list[dict[str, object]]:
    form = reader(read)
    monkeypatch.setattr(format_trial, "find_format", lambda _name: form)
    monkeypatch.setattr(
        format_trial,
        "read_path",
        lambda path, format: form.read(path, None),  # type: ignore[arg-type]
    )
    told: list[dict[str, object]] = []
    format_trial.try_seeds("odd", range(1, 4), 0, told.append)
    return [one for one in told if one["outcome"] != "begun"]


def test_an_error_of_ours_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _options: object) -> Reading:
        raise FormatError("is odd", path=path)

    told = outcome(monkeypatch, refuse)
    assert [one["outcome"] for one in told] == ["refused"] * 3
    assert str(told[0]["why"]).endswith("a.txt: is odd")


@pytest.mark.parametrize(("error", "why"), [
    (ValueError("x"), "ValueError: x"), (MemoryError(), "memory: "),
    (RecursionError("deep"), "RecursionError: deep"), (InputError(" "), "InputError has no reason"),
])  # fmt: skip
def test_any_other_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def fail(_path: Path, _options: object) -> Reading:
        raise error

    (told, *_) = outcome(monkeypatch, fail)
    assert told["outcome"] == "failed"
    assert why in str(told["why"])
    assert told["damage"]


@pytest.mark.parametrize(("chunk", "why"), [
    ({"line": [1, 2], "sex": ["f"]}, "columns of [1, 2] rows in one chunk"),
    (Reject(Path("a"), 1, " "), "a reject has no reason"),
    ({"line": range(6_000_000)}, "more than 5,000,000 rows from a small file"),
])  # fmt: skip
def test_rows_that_cannot_be_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, chunk: object, why: str
) -> None:
    def read(path: Path, _options: object) -> Reading:
        return Reading("odd", [Rows(path, "record", [chunk])], [path])  # type: ignore[list-item]

    (told, *_) = outcome(monkeypatch, read)
    assert why in str(told["why"])


TRIAL = """
import json, os, sys, time
first, count = int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, first + count):
    print(json.dumps({"seed": seed, "outcome": "begun"}), flush=True)
    if seed == 3:
        WHAT
    print(json.dumps({"seed": seed, "outcome": "read", "rejects": 2}), flush=True)
"""


@pytest.mark.parametrize(("what", "why"), [
    ("while True: pass", "hang: more than"),
    ("sys.stderr.write('the end'); os._exit(7)", "crash: the process ended with 7"),
])  # fmt: skip
def test_a_hang_and_a_crash_end_nothing_else(tmp_path: Path, what: str, why: str) -> None:
    script = tmp_path / "trial.py"
    script.write_text(TRIAL.replace("WHAT", what))
    found = try_format("fasta", 0, 7, 0.3, 2, 0, (sys.executable, str(script)))
    assert found.counts == {"read": 6, "failed": 1}
    assert found.rejects == 12
    (failure,) = found.failures
    assert (failure.format, failure.seed) == ("fasta", 3)
    assert failure.why.startswith(why)
    assert "merian bench formats --format fasta --replay 3" in str(failure)
    assert ("the end" in failure.detail) == ("the end" in what)


def test_what_hangs_only_beside_others_is_no_hang(tmp_path: Path) -> None:
    script = tmp_path / "trial.py"
    busy = "end = time.process_time() + 0.5\n"
    busy += "        while count > 1 or time.process_time() < end: pass"
    script.write_text(TRIAL.replace("WHAT", busy))
    found = try_format("fasta", 0, 5, 0.4, 2, 0, (sys.executable, str(script)))
    assert found.counts == {"read": 5}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no such limit elsewhere")
def test_memory_is_limited() -> None:
    code = (
        "from merian.bench.format_trial import limit_memory\nlimit_memory(0.25)\n"
        "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout == "refused\n"


def test_a_replay_needs_a_format_and_tells_what_was_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(InputError, match="--replay needs --format"):
        run(replay=3)
    figures = run(format="table", replay=0)
    assert figures["failures"] == {"value": 0, "n": 1, "unit": "files"}
    assert capsys.readouterr().err.startswith("table 0: re")
