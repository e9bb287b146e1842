"""From a table of reads to a folder: nothing is lost, and the same input gives the same bytes."""

from __future__ import annotations

import csv
import json
import random
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from merian.cli import main
from merian.errors import InputError, MerianError
from merian.formats.feature_table import read_feature_table, sequence_id
from merian.identify import PARTS
from merian.library import build_library
from merian.metabarcoding import job, metabarcode, open_features


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [*csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def run(lab, files, tmp_path):
    """The folder of a run by the command line, from a table as vsearch writes it."""
    out = tmp_path / "out"
    words = ["identify", str(files["fasta"]), "--table", str(files["otutab"]), "--samples",
             str(files["sheet"]), "--library", str(lab.library), "-o", str(out),
             "--set", "target_gene=COI", "--processes", "1"]  # fmt: skip
    assert main(words) == 0
    return out, words


def test_every_read_is_counted_once_where_its_feature_stands(run, lab):
    out, _ = run
    answers = {row["id"]: row for row in rows(out / "answers.tsv")}
    assert set(answers) == set(lab.sequences)
    long = rows(out / "taxa.tsv")
    for sample in lab.samples:
        mine = [row for row in long if row["sample"] == sample]
        assert sum(int(row["reads"]) for row in mine) == sum(lab.reads[sample].values())
        expected: Counter[tuple[str, str]] = Counter()
        for key, count in lab.reads[sample].items():
            expected[answers[key]["rank"], answers[key]["name"]] += count
        assert {(row["rank"], row["name"]): int(row["reads"]) for row in mine} == dict(expected)
    wide = rows(out / "taxa_wide.tsv")
    for row in wide:
        for sample in lab.samples:
            one = [x for x in long if x["sample"] == sample and x["taxon_id"] == row["taxon_id"]]
            assert int(row[sample]) == sum(int(x["reads"]) for x in one)
    biom = read_feature_table(out / "taxa.biom")
    assert int(biom.reads.sum()) == sum(sum(of.values()) for of in lab.reads.values())
    assert [*biom.features] == [row["taxon_id"] for row in wide]


def test_what_is_named_is_right_and_what_is_not_is_in_clusters(run, lab):
    out, _ = run
    answers = {row["id"]: row for row in rows(out / "answers.tsv")}
    named = {key: row["name"] for key, row in answers.items() if row["rank"] == "species"}
    assert len(named) > 20
    assert sum(lab.species[key] != name for key, name in named.items()) <= 0.1 * len(named)
    features = {row["id"]: row for row in rows(out / "features.tsv")}
    clusters = {row["cluster"]: row for row in rows(out / "clusters.tsv")}
    for key, row in features.items():
        assert bool(row["cluster"]) == (key not in named)
        if row["cluster"]:
            assert clusters[row["cluster"]]["under"] == answers[key]["name"]
    # The two variants of one species are one cluster where they stand at one taxon.
    pairs = [(features[f"v{k}0"], features[f"v{k}1"]) for k in ("adc", "bdc", "cdc", "ddc")]
    alike = [a["cluster"] == b["cluster"] for a, b in pairs if a["taxon_id"] == b["taxon_id"]]
    assert alike
    assert all(alike)
    head = next(iter(clusters.values()))
    assert head["cluster"] == features[head["feature"]]["sequence_id"]
    assert sum(int(row["features"]) for row in clusters.values()) == len(features) - len(named)


def test_presence_and_richness(run, lab):
    out, _ = run
    present = {(r["sample"], r["name"]): float(r["presence"]) for r in rows(out / "presence.tsv")}
    assert all(0 < share <= 1 for share in present.values())
    for row in rows(out / "taxa.tsv"):
        if row["name"]:
            assert present[row["sample"], row["name"]] == pytest.approx(float(row["presence"]))
    for row in rows(out / "richness.tsv"):
        true = {lab.species[k] or k[:-1] for k in lab.reads[row["sample"]]}
        assert int(row["species_low"]) <= float(row["species"]) <= int(row["species_high"])
        assert int(row["species_low"]) - 1 <= len(true) <= int(row["species_high"]) + 1
        assert int(row["features"]) == len(lab.reads[row["sample"]])


def test_what_is_to_be_published(run, lab, files):
    out, _ = run
    occurrences, dna = rows(out / "occurrence.tsv"), rows(out / "dna.tsv")
    assert len(occurrences) == sum(len(of) for s, of in lab.reads.items() if s != "BLANK")
    assert [row["occurrenceID"] for row in occurrences] == [row["occurrenceID"] for row in dna]
    assert len({row["occurrenceID"] for row in occurrences}) == len(occurrences)
    first = occurrences[0]
    assert first["organismQuantityType"] == first["sampleSizeUnit"] == "DNA sequence reads"
    assert int(first["sampleSizeValue"]) == sum(lab.reads[first["eventID"]].values())
    assert (first["eventDate"], first["decimalLatitude"]) == ("2025-06-01", "52.1")
    assert first["locality"] == "Pond 1, east"
    assert dna[0]["target_gene"] == "COI"
    assert dna[0]["DNA_sequence"] == lab.sequences[first["occurrenceID"].split(":")[1]]
    assert all(row["scientificName"] for row in occurrences)
    told = json.loads((out / "metabarcoding.merian.json").read_text())
    assert told["controls"] == ["BLANK"]
    assert told["missing"] == ["S6"]
    assert told["unread"] == ["S77"]
    page = (out / "report.html").read_text()
    assert "BLANK" in page
    assert "S77" in page


def test_a_table_from_dada2_says_the_same(run, lab, files, tmp_path):
    out, _ = run
    other = tmp_path / "dada2"
    features = open_features(files["seqtab"], sheet=files["sheet"])
    metabarcode(features, lab.library, other, sheet=files["sheet"], processes=2)
    for name in ("taxa.tsv", "taxa_wide.tsv", "presence.tsv", "clusters_by_sample.tsv",
                 "richness.tsv"):  # fmt: skip
        assert (other / name).read_bytes() == (out / name).read_bytes()
    ids = {row["id"] for row in rows(other / "answers.tsv")}
    assert ids == {sequence_id(text) for text in lab.sequences.values()}


def test_the_same_again_is_not_done_and_another_is_the_same_bytes(run, files, capsys):
    out, words = run
    before = written(out)
    stat = (out / "taxa.tsv").stat()
    assert main(words) == 0
    assert "the same was done before" in capsys.readouterr().err
    assert (out / "taxa.tsv").stat().st_mtime_ns == stat.st_mtime_ns
    (out / "taxa.tsv").unlink()
    assert main([*words[:-1], "2"]) == 0
    assert written(out) == before


def test_what_was_completed_by_hand_is_not_replaced(run, capsys):
    out, words = run
    before = (out / "occurrence.tsv").read_bytes()
    (out / "occurrence.tsv").write_bytes(before + b"mine")
    assert main(words) == 2
    assert "occurrence.tsv: was changed since it was written" in capsys.readouterr().err
    assert (out / "occurrence.tsv").read_bytes() == before + b"mine"
    (out / "occurrence.tsv").write_bytes(before)


def test_a_run_that_was_stopped_goes_on(lab, files, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def stop(*_args):
        raise KeyboardInterrupt

    def do():
        features = open_features(files["otutab"], [files["fasta"]])
        return metabarcode(features, lab.library, out, processes=1)

    with monkeypatch.context() as patch:
        patch.setattr(job, "write_occurrences", stop)
        with pytest.raises(KeyboardInterrupt):
            do()
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []
    kept = tmp_path / ".out.identify"
    assert (kept / "000000.jsonl").is_file()
    stamp = (kept / "000000.jsonl").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(job, "write_occurrences", stop)
        with pytest.raises(KeyboardInterrupt):
            do()
    assert (kept / "000000.jsonl").stat().st_mtime_ns == stamp  # it was not asked again
    assert do().answered == len(lab.sequences)
    assert not kept.exists()


def test_features_without_a_barcode_are_set_aside_with_their_reads(lab, files, tmp_path):
    some = dict(lab.sequences)
    gone, bad = [*some][3], [*some][4]
    del some[gone]
    some[bad] = "MKLSAAAGTPLWVFLEDQRSTIHNYPQKKKLLLLLAAAGGGEEEDDDWWWFFFPPPPPMMKLLSSTTVVYY"
    files["fasta"].write_text(
        "".join(f">{k}\n{s}\n" for k, s in some.items()) + f">more\n{'ACGT' * 30}\n"
    )
    features = open_features(files["otutab"], [files["fasta"]])
    done = metabarcode(features, lab.library, tmp_path / "out", processes=1)
    assert done.answered == len(lab.sequences) - 2
    assert sum(done.set_aside.values()) == 2
    assert "sequences that are of no feature of the table: 1" in done.notes
    lost = sum(of.get(gone, 0) + of.get(bad, 0) for of in lab.reads.values())
    assert done.reads_standing.get("set aside", 0) == lost
    told = rows(tmp_path / "out" / "answers.tsv.rejects.tsv")
    assert {row["id"] for row in told} == {gone, bad}
    table = rows(tmp_path / "out" / "richness.tsv")
    assert sum(int(row["reads_set_aside"]) for row in table) == lost


def test_artifacts_of_qiime_2_are_read_as_they_are(lab, files, tmp_path):
    with zipfile.ZipFile(tmp_path / "rep-seqs.qza", "w") as packed:
        packed.writestr("1/data/dna-sequences.fasta", files["fasta"].read_text())
    features = open_features(files["otutab"], [tmp_path / "rep-seqs.qza"])
    done = metabarcode(features, lab.library, tmp_path / "out", processes=1)
    features.close()
    assert done.answered == len(lab.sequences)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--samples", "sheet.csv"], "give the table with --table"),
        (["--table", "nowhere.tsv", "-o", "x"], "no such feature table"),
        (["--table", "otutab.tsv"], "say where the tables go: -o FOLDER"),
        (["--table", "otutab.tsv", "-o", "x"], "holds ids of features and no sequences"),
        (["other.fasta", "--table", "otutab.tsv", "-o", "x"], "none of its features is in other"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "full"], "with other things in it"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "otutab.tsv"], "is a file; give the name"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "x", "--report", "r.html"],
         "--report does not go with --table"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "x", "--set", "distance=3"],
         "--set distance=3: expected a share"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "x", "--set", "gene=COI"],
         "--set gene=...: expected distance"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "x", "--samples", "wrong.csv"],
         "none of its columns holds the samples of the table"),
        (["otus.fasta", "--table", "otutab.tsv", "-o", "x", "--novelty", "some"],
         "--novelty some: expected four shares"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(
    more, message, lab, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("other.fasta").write_text(f">Z\n{'ACGT' * 30}\n")
    Path("wrong.csv").write_text("sample,date\nX1,2025-01-01\n")
    Path("full").mkdir()
    Path("full/precious.txt").write_text("mine")
    assert main(["identify", *more, "--library", str(lab.library)]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert Path("full/precious.txt").read_text() == "mine"
    assert not Path("x").exists()


def test_an_error_of_ours_is_one_that_a_user_can_mend(lab, files, tmp_path):
    features = open_features(files["otutab"], [files["fasta"]])
    with pytest.raises(MerianError):
        metabarcode(features, tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="rows=upwards"):
        open_features(files["otutab"], rows="upwards")


def test_features_of_several_libraries(lab, files, tmp_path):
    chance = random.Random(9)
    texts = ["".join(chance.choices("ACGT", k=300)) for _ in range(6)]
    reference = tmp_path / "its.fasta"
    reference.write_text(
        "".join(
            f">i{n};tax=k:Fungi,f:Xidae,g:X{n}us,s:X{n}us_yus;\n{t}\n" for n, t in enumerate(texts)
        )
    )
    build_library([reference], tmp_path / "ITS2", parts=PARTS)
    table = tmp_path / "t.tsv"
    rows_of = [("id", "sequence", "S1"), ("a", lab.sequences["vaaa0"], "5"), ("b", texts[2], "7")]
    rows_of += [("c", "".join(chance.choices("ACGT", k=300)), "9")]
    table.write_text("".join("\t".join(row) + "\n" for row in rows_of))
    done = metabarcode(
        open_features(table), [lab.library, tmp_path / "ITS2"], tmp_path / "out", processes=1
    )
    found = {row["id"]: row for row in rows(tmp_path / "out" / "features.tsv")}
    assert [found[key]["library"] for key in "abc"] == ["lib", "ITS2", ""]
    assert done.reads_standing["set aside"] == 9
    assert done.set_aside == {"It is like nothing in any library": 1}
    names = {row["rank"]: row["name"] for row in rows(tmp_path / "out" / "presence.tsv")
             if row["name"].startswith(("X2", "Gaa"))}  # fmt: skip
    assert names["species"] in ("X2us yus", "Gaaus saus")
    dna = {row["occurrenceID"]: row["otu_db"] for row in rows(tmp_path / "out" / "dna.tsv")}
    assert dna["S1:b"].startswith("ITS2;")


def test_the_mix_may_be_estimated_from_the_features(lab, files, tmp_path):
    features = open_features(files["seqtab"])
    done = metabarcode(features, lab.library, tmp_path / "out", estimate=True, processes=1)
    assert done.novelty is not None
    assert sum(done.novelty) == pytest.approx(1, abs=1e-3)
    known = sum(bool(name) for name in lab.species.values()) / len(lab.species)
    assert done.novelty[0] == pytest.approx(known, abs=0.15)
    again = metabarcode(features, lab.library, tmp_path / "out", estimate=True)
    assert again.done_before
    assert list(again.novelty) == list(done.novelty)
    rows_of = [(f"i{n};tax=k:Fungi,g:X{n}us,s:X{n}us_yus;", n) for n in range(3)]
    reference = tmp_path / "other.fasta"
    reference.write_text(
        "".join(
            f">{key}\n{''.join(random.Random(n).choices('ACGT', k=200))}\n" for key, n in rows_of
        )
    )
    build_library([reference], tmp_path / "other", parts=PARTS)
    with pytest.raises(InputError, match="each of several libraries meets a mix"):
        metabarcode(features, [lab.library, tmp_path / "other"], tmp_path / "x", estimate=True)


def test_what_columns_mean_is_part_of_the_run(lab, files, tmp_path):
    table, out = tmp_path / "two.tsv", tmp_path / "out"
    head = ("OTU", "amplicon", "sequence", *lab.samples)
    lines = [(f"n{row[0]}", row[0], lab.sequences[row[0]], *row[1:]) for row in lab.rows()]
    table.write_text("".join("\t".join(row) + "\n" for row in (head, *lines)))
    sheet = tmp_path / "names.tsv"
    sheet.write_text(
        "code\tevent ID\tmaterial sample ID\n" + "".join(f"{s}\tE1\tM{s}\n" for s in lab.samples)
    )
    words = ["identify", "--table", str(table), "--library", str(lab.library), "-o", str(out),
             "--processes", "1", "--samples", str(sheet), "--map", "code=sample_id"]  # fmt: skip
    assert main([*words, "--map", "OTU=id"]) == 0
    assert {row["id"][0] for row in rows(out / "features.tsv")} == {"n"}
    assert main([*words, "--map", "amplicon=id"]) == 0
    assert {row["id"] for row in rows(out / "features.tsv")} == {*lab.sequences}
    # What the sheet says of events goes before the name of the sample.
    found = rows(out / "occurrence.tsv")
    assert {row["eventID"] for row in found} == {"E1"}
    assert {row["materialSampleID"] for row in found} == {f"M{s}" for s in lab.samples}


def test_what_others_put_into_the_folder_is_not_replaced(run, capsys):
    out, words = run
    (out / "notes.txt").write_text("mine")
    assert main([*words, "--alpha", "0.1"]) == 2
    assert "notes.txt" in capsys.readouterr().err
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    # A page that was lost is written again.
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert main(words) == 0
    assert (out / "report.html").read_bytes() == page


def test_a_second_sequence_of_a_feature_is_told(lab, files, tmp_path):
    first = next(iter(lab.sequences))
    with files["fasta"].open("a") as stream:
        stream.write(f">{first}\n{'ACGT' * 30}\n")
    done = metabarcode(
        open_features(files["otutab"], [files["fasta"]]), lab.library, tmp_path / "out", processes=1
    )
    assert "sequences of features that had one before, which counts: 1" in done.notes
    assert rows(tmp_path / "out/features.tsv")[0]["sequence"] == lab.sequences[first]
