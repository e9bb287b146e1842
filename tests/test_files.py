"""Writing a folder: complete or not at all, and nothing is left of those that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from merian.errors import InputError
from merian.files import new_file, new_folder


def fill(path: Path, text: str) -> None:
    with new_folder(path) as part:
        (part / "text.txt").write_text(text, encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="locks and signals of POSIX systems")
def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    code = (
        "import sys, time; from merian.files import new_folder\n"
        "with new_folder(sys.argv[1]) as part:\n"
        "    (part / 'text.txt').write_text('half')\n"
        "    print(part, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            part = Path(child.stdout.readline().strip())
            fill(tmp_path / "a", "whole")
            assert part.is_dir(), "it is still being written"
        finally:
            child.send_signal(signal.SIGKILL)
    assert part.is_dir()
    (tmp_path / ".a.b.abcdefgh.part").mkdir()  # of another folder
    fill(tmp_path / "a", "again")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.b.abcdefgh.part", "a"]


def test_the_last_that_is_left_is_kept(tmp_path):
    # Killed between the two names that a replacement needs.
    old = tmp_path / ".a.abcdefgh.old"
    old.mkdir()
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a"):
        raise ZeroDivisionError
    assert old.is_dir()
    fill(tmp_path / "a", "one")
    fill(tmp_path / "a", "two")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="a folder in use can be renamed")
def test_here_and_a_link_can_be_replaced(tmp_path, monkeypatch):
    fill(tmp_path / "a", "one")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    fill(tmp_path / "link", "two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a" / "text.txt").read_text(encoding="utf-8") == "two"
    monkeypatch.chdir(tmp_path / "a")
    fill(Path(), "three")
    assert (tmp_path / "a" / "text.txt").read_text(encoding="utf-8") == "three"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "link"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "a" / "b"):
        with pytest.raises(InputError, match="a file stands where its folder would be"):
            fill(path, "one")
        with pytest.raises(InputError, match="a file stands"), new_file(path, text=True):
            pass
    with pytest.raises(InputError, match="is a file"):
        fill(tmp_path / "file", "one")


def test_a_stop_while_a_folder_is_replaced_leaves_the_one_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a"
    with new_folder(path) as part:
        (part / "kept").write_text("by hand")
    rename = Path.rename

    def stopped(self, target):
        if self.suffix == ".part":
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as within:
        within.setattr(Path, "rename", stopped)
        with pytest.raises(KeyboardInterrupt), new_folder(path) as part:
            (part / "new").touch()
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert (path / "kept").read_text() == "by hand"
