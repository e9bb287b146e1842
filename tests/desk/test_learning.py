"""What the desk does with a trial: when it is let go, and what goes wrong on the disk."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from merian.catalogue import Catalogue
from merian.desk import learning as room
from merian.desk.desk import Desk
from merian.desk.learning import Learning
from merian.errors import InputError
from merian.identify.correcting import Pupil, Trial
from merian.identify.corrections import against


@pytest.fixture
def told(museum, tmp_path):
    """A desk that has told what would change, and a file that goes with the trial."""
    (file := tmp_path / "trial").touch()
    with Catalogue.open(museum) as opened:
        desk = Desk(opened, "Anna")
        learning = Learning(desk, [Path("library")], None)
        learning.tried = Trial(
            [Pupil(Path("library"), Path("copy"), frozenset({"R001"}), frozenset(), (), "")]
        )
        learning.state, learning._change = "told", desk.change
        learning._stack = ExitStack()
        learning._stack.callback(file.unlink)
        yield learning, file


def test_a_desk_that_closes_while_it_applies_lets_that_end(told, monkeypatch):
    learning, file = told
    begun, go, found = threading.Event(), threading.Event(), []

    def slow(*_, **__):
        begun.set()
        go.wait(20)
        found.append(file.exists())

    monkeypatch.setattr(room, "apply", slow)
    applying = threading.Thread(target=learning.act, args=[{"do": "apply"}])
    applying.start()
    assert begun.wait(20)
    closing = threading.Thread(target=learning.close)
    closing.start()
    closing.join(0.3)
    assert file.exists()
    go.set()
    for one in (applying, closing):
        one.join(20)
    assert found == [True]
    assert learning.state == "applied"
    assert not file.exists()
    assert learning.act({"do": "try"})["state"] == "applied"  # nothing begins any more


def test_a_trial_that_begins_is_not_told_while_the_last_one_goes(told, monkeypatch):
    learning, _ = told
    states, forget = [], learning._forget
    monkeypatch.setattr(learning, "_try", lambda: None)
    monkeypatch.setattr(learning, "_forget", lambda: (states.append(learning.state), forget()))
    learning.act({"do": "try"})
    assert states == ["working"]


def test_what_the_disk_refuses_is_told_in_a_sentence(told, monkeypatch):
    learning, file = told

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "library")

    for name in ("apply", "trial"):
        monkeypatch.setattr(room, name, full)
    with pytest.raises(InputError, match=r"library: No space left on device; make room"):
        learning.act({"do": "apply"})
    assert learning.state == "told"  # nothing is gone that somebody looks at
    assert file.exists()
    learning.act({"do": "try"})
    learning._thread.join(20)
    assert (learning.state, learning.tried) == ("idle", None)
    assert learning.fault.startswith("library: No space left on device; make room")
    assert "fault of Merian" not in learning.fault


def test_a_record_is_counted_once_whatever_it_has_and_whoever_lacks_it():
    both = [
        Pupil(Path("codes"), Path("a"), frozenset({"A", "B"}), frozenset({"C"}),
              [("E", "Apis", "Bombus")], ""),
        Pupil(Path("looks"), Path("b"), frozenset({"B"}), frozenset({"A", "C", "D"}),
              [("E", "Apis", "Bombus")], ""),
    ]  # fmt: skip
    tried = Trial(both)
    assert (tried.taken, tried.known) == (2, 2)
    assert tried.contrary == [("E", "Apis", "Bombus")]


def test_a_library_knows_a_record_of_several_pictures_once():
    class Shelf:
        """A library that holds R1 under its name and R2 under another."""

        segments = (SimpleNamespace(id=["x", "R1", "R2"], records=3),)
        record = np.array([0, 1, 2])
        first_record = np.array([0, 1, 2, 3])

        def name_of(self, entry):
            return ("Apis", "Osmia", "Bombus")[entry]

    rows = [
        {"record": record, "key": f"{record}-{n}", "scientificName": "Osmia"}
        for record in ("R1", "R2", "R3") for n in range(3)
    ]  # fmt: skip
    fresh, known, contrary = against(Shelf(), rows)
    assert [row["key"] for row in fresh] == ["R3-0", "R3-1", "R3-2"]
    assert known == {"R1"}
    assert contrary == [("R2", "Bombus", "Osmia")]
