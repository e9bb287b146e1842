"""Class scores of IFCB regions: four layouts, what is named and what is not, damaged files."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from merian.catalogue import TABLES, Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError, InputError, MerianError, MissingExtraError
from merian.formats import Options, find_format, guarded_arrays, read_path

h5py = pytest.importorskip("h5py")
scipy_io = pytest.importorskip("scipy.io")

Take = Callable[[Reading], tuple[Catalogue, Summary]]
BIN = "D20220522T000439_IFCB134"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """One faked file of each layout."""
    return find_format("ifcb-scores").fake(tmp_path, 4)


def rejects(reading: Reading) -> list[tuple[str, str, str]]:
    return [
        (reject.path.name, reject.reason, reject.content)
        for source in reading.sources
        if isinstance(source, Rows)
        for reject in source.chunks
        if isinstance(reject, Reject)
    ]


def named(catalogue: Catalogue, bin_name: str) -> list[tuple[object, ...]]:
    return catalogue.query(
        "SELECT occurrenceID[-5:], agentType, verbatimIdentification, round(probability, 2), "
        "identificationVerificationStatus, identifiedBy, dateIdentified, identificationRemarks "
        f"FROM identification WHERE occurrenceID LIKE '{bin_name}%' ORDER BY 1, 2"
    ).fetch()


def test_each_layout_is_read(scores: Path, take_in: Take) -> None:
    catalogue, summary = take_in(read_path(scores))
    assert summary.added == {
        "event": 4, "occurrence": 4 + 4 + 3 + 4, "identification": 4 + 3 + 3 + 4, "measurement": 4,
    }  # fmt: skip
    machine, when = "PredictedByMachine", "2024-05-31T14:09:15"
    by = "results_12Jun2024"
    assert [row[:3] + row[4:] for row in named(catalogue, "D20220525T000100")] == [
        ("00002", "machine", "Mesodinium_rubrum", machine, by, when, None),
        ("00003", "machine", "Strombidium-like", machine, by, when, None),
        ("00004", "machine", "Mesodinium_rubrum", machine, by, when, None),
        ("00006", "machine", "Chaetoceros_cf_convolutus", machine, by, when,
         "below the threshold: unclassified"),
    ]  # fmt: skip
    # Region 1 is unclassified; 3 was named by the machine alone.
    human = "ValidatedByHuman"
    assert named(catalogue, "D20220525T000200") == [
        ("00002", "human", "Mesodinium_rubrum", None, human, None, when, None),
        ("00002", "machine", "Strombidium-like", None, machine, None, when, None),
        ("00003", "machine", "Mesodinium_rubrum", None, machine, None, when, None),
    ]
    assert len(named(catalogue, "D20220525T000300")) == 3
    assert [row[7] for row in named(catalogue, "D20220525T000400")] == [
        None, None, None, "below the threshold of 0.99: unclassified",
    ]  # fmt: skip
    assert catalogue.query(
        "SELECT occurrenceID[-5:], measurementType, measurementValue, measurementMethod "
        "FROM measurement ORDER BY 1"
    ).fetch()[2] == ("00005", "cell_count", "4", "Faked V5")
    assert "regions that are unclassified or have no class: 2" in summary.notes


def test_faults_of_regions_are_told(scores: Path) -> None:
    assert rejects(read_path(scores)) == [
        ("D20220525T000200_IFCB134.mat", "no class: there are 5", "9"),
        ("D20220525T000300_IFCB134_class_v2.h5", "no number of a region", "-1"),
    ]


def test_every_score_is_kept_if_asked_for(scores: Path, take_in: Take) -> None:
    path = next(scores.glob("*_class.h5"))
    catalogue, _ = take_in(read_path(path, Options(extra={"scores": "all"})))
    found = catalogue.query(
        "SELECT occurrenceID, measurementType, measurementValueNumeric FROM measurement "
        "WHERE measurementType LIKE 'score of %'"
    ).fetch()
    with h5py.File(path) as stream:
        assert len(found) == stream["output_scores"].size == 16
        best = stream["output_scores"][0].max()
    top = catalogue.query("SELECT probability FROM identification ORDER BY occurrenceID").fetch()
    assert top[0] == (best,)
    assert best in {value for _, _, value in found}
    with pytest.raises(InputError, match="scores=some: best or all"):
        read_path(path, Options(extra={"scores": "some"}))


def test_bins_and_their_scores_join(
    tmp_path: Path, new_catalogue: Callable[..., Catalogue]
) -> None:
    bins = find_format("ifcb").fake(tmp_path, 7)
    name = "D20220522T000407_IFCB134"
    with h5py.File(tmp_path / f"{name}_class.h5", "w") as stream:
        stream["output_scores"] = [[0.1, 0.8], [0.6, 0.4]]
        stream["class_labels"], stream["roi_numbers"] = ["Ciliophora", "Dinophysis"], [2, 3]
    for order in ((bins, tmp_path / f"{name}_class.h5"), (tmp_path / f"{name}_class.h5", bins)):
        catalogue = new_catalogue()
        for path in order:
            summary = catalogue.ingest(read_path(path))
        assert catalogue.query("SELECT count(*) FROM occurrence").value() == 7
        assert catalogue.query(
            "SELECT m.mediaID, d.scientificName, e.eventDate FROM media m "
            "JOIN determination d USING (occurrenceID) JOIN occurrence o USING (occurrenceID) "
            "JOIN event e ON e.eventID = o.eventID ORDER BY 1"
        ).fetch() == [
            (f"{name}_00002", "Dinophysis", "2022-05-22T00:04:07Z"),
            (f"{name}_00003", "Ciliophora", "2022-05-22T00:04:07Z"),
        ]
        if order[0] == bins:
            assert not summary.rejected


def all_of(catalogue: Catalogue) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: catalogue.query(f"SELECT * EXCLUDE (runID) FROM {name} ORDER BY ALL").fetch()
        for name in TABLES
    }


def test_scores_before_their_bins_give_the_same_catalogue(
    tmp_path: Path, new_catalogue: Callable[..., Catalogue]
) -> None:
    """The header of a bin tells where it was; names that came first know its time alone."""
    bins = find_format("ifcb").fake(tmp_path, 7)
    scores = tmp_path / "scores"
    scores.mkdir()
    names = sorted(file.stem for file in bins.glob("*.hdr"))
    for name in names:
        with h5py.File(scores / f"{name}_class.h5", "w") as file:
            file["output_scores"] = [[0.1, 0.8], [0.6, 0.4], [0.3, 0.7]]
            file["class_labels"], file["roi_numbers"] = ["Ciliophora", "Dinophysis"], [2, 3, 4]
    features = find_format("ifcb-features").fake(tmp_path, 7)
    found = []
    for order in ((bins, features, scores), (scores, features, bins)):
        catalogue = new_catalogue()
        for path in order:
            summary = catalogue.ingest(read_path(path))
            assert not any("already" in reason for reason in summary.rejected), summary.rejected
        found.append(all_of(catalogue))
    assert len(found[0]["identification"]) == 9
    latitude = TABLES["event"].columns.index("decimalLatitude")
    assert sum(row[latitude] is not None for row in found[1]["event"]) == 2
    for other in found[1:]:
        for name, rows in found[0].items():
            assert other[name] == rows, name


def write(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as stream:
        for name, values in arrays.items():
            stream[name] = values
    return path


GOOD = {
    "output_scores": [[0.1, 0.8], [0.6, 0.4]],
    "class_labels": ["A", "B"],
    "roi_numbers": [2, 3],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roi_numbers": [2, 3, 4]}, r"has scores of the shape 2 x 2 for 3 regions"),
        ({"class_labels": ["A"]}, "has scores of 2 classes and names 1"),
        ({"class_labels": [1, 2]}, "is no file of class scores"),
        ({"output_scores": [1.0, 2.0]}, "has scores of the shape 2 for 2 regions"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = write(tmp_path / f"{BIN}_class.h5", **(GOOD | change))
    with pytest.raises(FormatError, match=message):
        read_path(path)


def test_scores_that_are_none(tmp_path: Path, take_in: Take) -> None:
    nan = float("nan")
    path = write(
        tmp_path / f"{BIN}_class.h5",
        **(
            GOOD
            | {"output_scores": [[nan, nan], [7.5, -2.0], [0.5, nan]], "roi_numbers": [2, 3, 4]}
        ),
    )
    catalogue, summary = take_in(read_path(path))
    assert [(row[0], row[2], row[3], row[7]) for row in named(catalogue, BIN)] == [
        ("00003", "A", None, "score 7.5, which is no probability"),
        ("00004", "A", 0.5, None),
    ]
    assert summary.added["occurrence"] == 3


def test_a_region_twice_and_numbers_that_are_not_exact(tmp_path: Path) -> None:
    path = write(tmp_path / f"{BIN}_class.h5", **(GOOD | {"roi_numbers": [2, 2]}))
    assert rejects(read_path(path)) == [(path.name, "the region was there before", "2")]
    path = write(path, **(GOOD | {"roi_numbers": np.array([2, 4098], np.float16)}))
    (found,) = rejects(read_path(path))
    assert found[1:] == ("the number of the region is not exact: it is kept in 16 bits", "4096")


def test_the_bin_is_in_the_name_or_given(tmp_path: Path) -> None:
    path = write(tmp_path / "mine_class.h5", **GOOD)
    scores = find_format("ifcb-scores")
    assert scores.sniff(path) == 0
    assert scores.lacks
    assert scores.lacks(path).startswith("has no name of a bin in its own")
    with pytest.raises(FormatError, match=r"'mine_class.h5' tells no bin; .*--set bin="):
        read_path(path, format="ifcb-scores")
    reading = read_path(path, Options(extra={"bin": BIN}), "ifcb-scores")
    (chunk,) = reading.sources[0].chunks  # type: ignore[union-attr]
    assert chunk["occurrenceID"] == [f"{BIN}_00002", f"{BIN}_00003"]  # type: ignore[index]


def test_the_extra_is_named(scores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_arrays.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"merian\[ifcb\]"):
        read_path(next(scores.glob("*.h5")))


# -- damaged files ------------------------------------------------------------------------------


def test_a_damaged_file_of_a_folder_is_set_aside(scores: Path) -> None:
    whole = next(scores.glob("*_class_v1.mat"))
    whole.write_bytes(whole.read_bytes()[:-40])
    empty = next(scores.glob("*_class.h5"))
    empty.write_bytes(b"")
    found = {name: reason for name, reason, _ in rejects(read_path(scores))}
    assert found[whole.name].startswith("is damaged or cannot be read (")
    assert found[empty.name] == "is empty; get a fresh copy"
    assert len(found) == 4
    with pytest.raises(FormatError, match="is damaged or cannot be read"):
        read_path(whole)


def test_a_size_that_is_claimed_is_not_believed(tmp_path: Path) -> None:
    claimed = tmp_path / f"{BIN}_class.h5"
    with h5py.File(claimed, "w") as stream:
        stream["roi_numbers"], stream["class_labels"] = [1], ["A"]
        stream.create_dataset("output_scores", (10**9, 1000), "f8", chunks=(1000, 1000))
    with pytest.raises(FormatError, match="output_scores is said to have 1,000,000,000,000 values"):
        read_path(claimed)
    claimed = tmp_path / f"{BIN}_class_v1.mat"
    scipy_io.savemat(claimed, {"TBscores": np.ones((4, 2)), "roinum": np.arange(4)})
    content = claimed.read_bytes()
    assert content.count(struct.pack("<2i", 4, 2)) == 1
    large = struct.pack("<2i", 1 << 30, 1 << 20)
    claimed.write_bytes(content.replace(struct.pack("<2i", 4, 2), large))
    with pytest.raises(FormatError, match="is damaged or cannot be read"):
        read_path(claimed)


@pytest.mark.skipif(not hasattr(signal, "SIGSEGV"), reason="no such signals here")
@pytest.mark.parametrize(("number", "told"), [
    (signal.SIGSEGV, "reading it ended with -11"), (signal.SIGPROF, "reading it has no end"),
], ids=["crash", "endless"])  # fmt: skip
def test_a_file_that_ends_its_reader_is_set_aside_and_the_next_is_read(
    scores: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, told: str
) -> None:
    path = next(scores.glob("*_class.h5"))
    guarded_arrays.read_arrays(path)
    child = guarded_arrays._children[os.getpid()]
    answer = guarded_arrays._answer

    def killed(stream: IO[bytes]) -> object:
        child.send_signal(number)
        child.wait()
        stream.read()
        return answer(stream)

    monkeypatch.setattr(guarded_arrays, "_answer", killed)
    with pytest.raises(FormatError, match=told):
        guarded_arrays.read_arrays(path)
    monkeypatch.undo()
    assert guarded_arrays.read_arrays(path).numbers["roi_numbers"].tolist() == [2, 3, 5, 7]
    assert guarded_arrays._children[os.getpid()] is not child


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="no such signals here")
def test_a_reader_that_never_ends_is_ended() -> None:
    code = "from merian.formats import guarded_arrays as a\na._alarm(1)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=100)
    assert done.returncode in guarded_arrays._TOO_LONG


@pytest.mark.parametrize("kind", ["*_class.h5", "*_class_v1.mat", "*_IFCB134.mat"])
def test_no_change_of_bytes_gets_through(scores: Path, tmp_path: Path, kind: str) -> None:
    whole = next(scores.glob(kind)).read_bytes()
    path = tmp_path / next(scores.glob(kind)).name
    chance = random.Random(5)
    read = 0
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        cut = chance.randrange(len(content))
        path.write_bytes(content[:cut] if chance.random() < 0.3 else content)
        try:
            for source in read_path(path, format="ifcb-scores").sources:
                list(source.chunks)  # type: ignore[union-attr]
            read += 1
        except MerianError:
            pass
    assert read < 60


# -- real files ---------------------------------------------------------------------------------


@pytest.fixture
def real(shared: Path) -> Path:
    return shared / "plankton"


def test_real_scores_are_those_of_the_table_beside_them(real: Path, take_in: Take) -> None:
    folder = real / "ifcb_classipyr"
    catalogue, summary = take_in(read_path(folder / f"{BIN}_class.h5"))
    assert not summary.rejected
    with (folder / f"{BIN}.csv").open(newline="") as stream:
        expected = [
            (row["file_name"].removesuffix(".png"), row["class_name_auto"], float(row["score"]))
            for row in csv.DictReader(stream)
        ]
    found = catalogue.query(
        "SELECT occurrenceID, verbatimIdentification, probability, identifiedBy "
        "FROM identification ORDER BY 1"
    ).fetch()
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected])
    assert {row[3] for row in found} == {"SMHI NIVA ResNet50 V5"}


def test_a_real_class_file_of_matlab(real: Path, take_in: Take) -> None:
    path = real / "ifcb_classipyr" / "D20230314T001205_IFCB134_class_v1.mat"
    catalogue, summary = take_in(read_path(path))
    assert (summary.added["occurrence"], summary.added["identification"]) == (1218, 1218)
    below = catalogue.query(
        "SELECT count(*) FROM identification WHERE identificationRemarks LIKE 'below%'"
    )
    assert below.value() == 88
    assert catalogue.query(
        "SELECT verbatimIdentification, scientificName, taxonRank, dateIdentified, "
        "count(*) FROM identification GROUP BY ALL ORDER BY 5 DESC LIMIT 1"
    ).fetch()[0][:4] == ("Heterocapsa_rotundata", "Heterocapsa rotundata", "species",
                         "2024-05-21T18:03:09")  # fmt: skip


def test_a_real_list_of_a_person_stands_above_the_machine(
    real: Path, tmp_path: Path, take_in: Take
) -> None:
    for name in (f"{BIN}.mat", f"{BIN}_class.h5"):
        shutil.copy(real / "ifcb_classipyr" / name, tmp_path)
    catalogue, _ = take_in(read_path(tmp_path))
    agents = "SELECT agentType, count(*) FROM identification GROUP BY 1 ORDER BY 1"
    assert catalogue.query(agents).fetch() == [("human", 6), ("machine", 7)]
    # The person left the fourth unclassified: what the machine said of it stands.
    assert catalogue.query(
        "SELECT occurrenceID[-5:], agentType, verbatimIdentification FROM determination ORDER BY 1"
    ).fetch() == [
        ("00002", "human", "Mesodinium_rubrum"), ("00003", "human", "Strombidium_like"),
        ("00004", "machine", "Mesodinium_rubrum"), ("00005", "human", "Ciliates"),
        ("00006", "human", "Mesodinium_rubrum"), ("00007", "human", "Mesodinium_rubrum"),
        ("00008", "human", "Mesodinium_rubrum"),
    ]  # fmt: skip


def test_other_real_files_of_matlab_are_refused(real: Path) -> None:
    path = real / "ifcb_classipyr" / "class2use.mat"
    with pytest.raises(FormatError, match="tells no bin"):
        read_path(path, format="ifcb-scores")
    with pytest.raises(FormatError, match=r"is no file of class scores.* it holds class2use"):
        read_path(path, Options(extra={"bin": BIN}), "ifcb-scores")
