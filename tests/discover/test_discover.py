"""The whole road: identify, discover, the library grown by it, and the next identify."""

from __future__ import annotations

import csv
import html.parser
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from merian.catalogue import Catalogue
from merian.cli import main
from merian.discover.folder import read_folder
from merian.discover.in_catalogue import kept
from tests.identify.biota import biota, library_of

WHO = ("--who", "A. Person", "--date", "2026-05-01")
EVIL = "<script>alert(1)</script>&\"'"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def run(*words: object) -> int:
    return main([str(word) for word in words])


class World:
    """Of each genus the last species is unknown; of each of these one specimen is held out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        records = biota(families=3, genera=3, species=3, records=5)
        known = [one for one in records if not one.species.endswith("scus")]
        self.unknown = [one for one in records if one.species.endswith("scus")]
        self.held = [one for one in self.unknown if one.id.endswith("4")]
        self.found = [one for one in self.unknown if not one.id.endswith("4")]
        library_of(folder, known)
        self.library = next(path.parent for path in folder.rglob("library.json"))
        rows = [
            (one.id, one.sequence, 48 + n / 50, 8 + n / 40, f"2024-05-{1 + n % 28:02}")
            for n, one in enumerate([*self.found, *known[::5]])
        ]
        self.table = folder / "specimens.csv"
        with self.table.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(
                [("occurrenceID", "sequence", "decimalLatitude", "decimalLongitude", "eventDate"),
                 *rows]
            )  # fmt: skip
        self.catalogue = folder / "catalogue"

    def purity(self, code_of: dict[str, str]) -> list[set[str]]:
        """The species in each cluster."""
        species = {one.id: one.species for one in self.unknown}
        groups: dict[str, set[str]] = {}
        for record, code in code_of.items():
            groups.setdefault(code, set()).add(species.get(record, "known"))
        return list(groups.values())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("discover"))
    assert run("import", made.table, "--into", made.catalogue, "-q") == 0
    assert run("identify", made.catalogue, "-l", made.library, "--into", made.catalogue, "-q") == 0
    assert run("discover", made.catalogue, "-l", made.library, "-q") == 0
    return made


def test_unknown_species_become_clusters_under_what_identify_stands_by(world):
    registry = kept(world.catalogue)
    named = registry.members()
    found = {one.id for one in world.found}
    inside = {record: code for code, records in named.items() for record in records}
    assert found <= set(inside)
    assert all(len(species) == 1 for species in world.purity(inside))
    genus = {one.id: one.genus for one in world.unknown}
    family = {one.id: one.family for one in world.unknown}
    for one in registry.standing():
        member = named[one.code][0]
        if member in genus:
            assert one.parent in (genus[member], family[member], "Animalia", "")
            assert one.nearest
            assert one.distance > 0.03
            assert one.provisional.endswith(one.code)


def test_identifications_are_appended_and_people_stand_above_them(world):
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        rows = opened.query(
            "SELECT scientificName, identificationQualifier, agentType, species "
            "FROM determination WHERE identificationType = 'cluster'"
        ).fetch()
        (answers,) = opened.query(
            "SELECT count(*) FROM identification JOIN run USING (runID) WHERE verb = 'identify'"
        ).fetch()[0]
    assert len(rows) >= len(world.found)
    assert answers > 0
    assert {(agent, species) for _, _, agent, species in rows} == {("machine", None)}
    assert all("MRN-" in qualifier for _, qualifier, _, _ in rows)


def test_a_second_run_writes_nothing_new(world):
    before = kept(world.catalogue)
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        count = opened.query("SELECT count(*) FROM identification").fetch()
    assert run("discover", world.catalogue, "-l", world.library, "-q") == 0
    assert kept(world.catalogue) == before
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        assert opened.query("SELECT count(*) FROM identification").fetch() == count


def test_the_next_identify_finds_the_provisional_name_and_claims_no_species(world, tmp_path):
    assert run("library", "add", world.library, world.catalogue, "-q") == 0
    queries = tmp_path / "held.fasta"
    queries.write_text("".join(f">{one.id}\n{one.sequence}\n" for one in world.held))
    assert run("identify", queries, "-l", world.library, "-o", tmp_path / "a.tsv", "-q") == 0
    registry = kept(world.catalogue)
    species = {one.id: one.species for one in world.unknown}
    named = {
        species[record]: registry.whole(registry.current(code)).name
        for record, code in registry.code.items()
        if record in species
    }
    answers = table(tmp_path / "a.tsv")
    assert len(answers) == len(world.held)
    assert all(row["rank"] != "species" for row in answers)
    # Not all: where the outcome "something new" is more probable still, nothing is claimed.
    right = [row for row in answers if row["group"] == named[species[row["id"]]]]
    wrong = [row for row in answers if row["group"] and row not in right]
    assert len(right) >= 0.8 * len(answers)
    assert wrong == []
    assert all(row["group"] in row["explanation"] for row in right)


def test_what_people_decide_is_written_and_undone(world, capsys):
    one, other, third = (c.code for c in kept(world.catalogue).standing()[:3])
    assert run("discover", "merge", world.catalogue, one, other, *WHO, "--why", "alike") == 0
    merged = len(kept(world.catalogue).history)
    assert run("discover", "promote", world.catalogue, third, "--name", "Aus novus", *WHO) == 0
    ask = (
        "SELECT DISTINCT scientificName, identificationQualifier, agentType, identifiedBy FROM "
        "determination JOIN clusterMember ON occurrenceID = recordID WHERE clusterCode = '{}'"
    )
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        assert opened.query(ask.format(third)).fetch() == [
            ("Aus novus", None, "human", "A. Person")
        ]
        ((_, qualifier, agent, _),) = opened.query(ask.format(other)).fetch()
        assert qualifier.endswith(one)
        assert agent == "machine"
    assert run("discover", "undo", world.catalogue, merged + 1, *WHO) == 0
    assert run("discover", "undo", world.catalogue, merged, *WHO) == 0
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        for code in (other, third):
            ((_, qualifier, agent, _),) = opened.query(ask.format(code)).fetch()
            assert qualifier.endswith(code)
            assert agent == "machine"
    capsys.readouterr()
    assert run("discover", "list", world.catalogue, "--history", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [e["action"] for e in entries][-4:] == ["merged", "promoted", "undone", "undone"]
    assert [e["undoes"] for e in entries][-2:] == [merged + 1, merged]


def test_a_species_that_a_person_has_given_stays(world):
    code, record = next((c, r) for r, c in kept(world.catalogue).code.items())
    extra = world.folder / "person.csv"
    extra.write_text(
        f"occurrenceID,scientificName,taxonRank,identifiedBy\n{record},Bus bus,species,B. Person\n"
    )
    assert run("import", extra, "--into", world.catalogue, "-q") == 0
    assert run("discover", "promote", world.catalogue, code, "--name", "Cus cus", *WHO, "-q") == 0
    with Catalogue.open(world.catalogue, read_only=True) as opened:
        rows = opened.query(
            "SELECT scientificName, count(*) FROM determination JOIN clusterMember "
            f"ON occurrenceID = recordID WHERE clusterCode = '{code}' GROUP BY 1 ORDER BY 1"
        ).fetch()
    assert dict(rows)["Bus bus"] == 1
    assert dict(rows)["Cus cus"] >= 1
    last = len(kept(world.catalogue).history)
    assert run("discover", "undo", world.catalogue, last, *WHO, "-q") == 0


def test_a_catalogue_of_before_is_brought_up_to_date(tmp_path):
    Catalogue.create(tmp_path / "old").close()
    with duckdb.connect(tmp_path / "old" / "catalogue.duckdb") as con:
        for name in ("cluster", "clusterMember", "clusterHistory"):
            con.execute(f'DROP TABLE "{name}"').fetchall()
    stamp = tmp_path / "old" / "merian.json"
    stamp.write_text(stamp.read_text().replace('"1.3"', '"1.2"'))
    assert not kept(tmp_path / "old").clusters


# -- files ----------------------------------------------------------------------------------------


def vectors(path: Path, rows: list[tuple[str, np.ndarray]]) -> Path:
    with duckdb.connect() as con:
        con.register("v", {"id": np.array([k for k, _ in rows], object),
                           "vector": _objects([v.tolist() for _, v in rows])})  # fmt: skip
        con.execute(
            f"COPY (SELECT id::VARCHAR AS id, vector::FLOAT[16] AS vector FROM v) TO '{path}'"
        ).fetchall()
    return path


def _objects(values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


@pytest.fixture
def blobs():
    chance = np.random.default_rng(3)
    middles = chance.normal(size=(4, 16))
    return [
        (f"{'abcd'[g]}{n}", (middles[g] + 0.1 * chance.normal(size=16)).astype(np.float32))
        for g in range(4)
        for n in range(8)
    ]


def test_embeddings_with_answers_and_the_order_of_rows(blobs, tmp_path):
    answers = tmp_path / "answers.tsv"
    lines = ["id\tgenus\tp_genus\trank\tname"]
    lines += [f"{key}\tAus\t0.9\tgenus\tAus" for key, _ in blobs if key[0] == "a"]
    lines += [f"{key}\tBus\t0.9\tspecies\tBus bus" for key, _ in blobs if key[0] == "d"]
    answers.write_text("\n".join(lines) + "\n")
    first = vectors(tmp_path / "v.parquet", blobs)
    assert run("discover", first, "--answers", answers, "-o", tmp_path / "one", "-q") == 0
    turned = vectors(tmp_path / "v.parquet", blobs[::-1])
    assert run("discover", turned, "--answers", answers, "-o", tmp_path / "two", "-q") == 0
    for file in ("clusters.tsv", "members.tsv", "history.tsv", "clusters.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    members = table(tmp_path / "one" / "members.tsv")
    assert {row["recordID"][0] for row in members} == set("abc")  # d stands by a species
    groups = {}
    for row in members:
        groups.setdefault(row["clusterCode"], set()).add(row["recordID"][0])
    assert sorted(map(sorted, groups.values())) == [["a"], ["b"], ["c"]]
    named = {row["name"].split(" ")[0] for row in table(tmp_path / "one" / "clusters.tsv")}
    assert named == {"Aus", "incertae"}
    every = tmp_path / "every"
    assert run("discover", first, "--answers", answers, "--all", "-o", every, "-q") == 0
    assert {row["recordID"][0] for row in table(every / "members.tsv")} == set("abcd")


def test_one_tree_is_cut_at_every_rank_that_is_known(blobs, tmp_path):
    answers = tmp_path / "answers.tsv"
    lines = ["id\torder\tp_order\tgenus\tp_genus\trank\tname"]
    of = {"a": ("Ao", "Aus"), "b": ("Ao", "Bus"), "c": ("Co", "Cus")}
    for key, _ in blobs:
        if key[0] in of:
            order, genus = of[key[0]]
            lines.append(f"{key}\t{order}\t0.9\t{genus}\t0.9\tgenus\t{genus}")
    answers.write_text("\n".join(lines) + "\n")
    near = [(k, v + 12 * (k[0] in "cd") * np.eye(16, dtype=np.float32)[0]) for k, v in blobs]
    source, out = vectors(tmp_path / "v.parquet", near), tmp_path / "out"
    assert run("discover", source, "--answers", answers, "-o", out, "-q") == 0
    told = json.loads((out / "discover.json").read_text())["ranks"]
    assert [*told] == ["order", "genus"]
    assert told["order"]["groups"] < told["genus"]["groups"]
    groups = {(row["rank"], row["recordID"]): row["group"] for row in table(out / "ranks.tsv")}
    assert len({groups["genus", f"{kind}{n}"] for kind in "abc" for n in range(8)}) == 3
    above = {}
    for (rank, record), group in groups.items():
        if rank == "genus":
            above.setdefault(group, set()).add(groups["order", record])
    assert all(len(orders) == 1 for orders in above.values())  # a genus lies within one order
    assert all(0 < float(row["support"]) <= 1 for row in table(out / "ranks.tsv"))


def test_names_stay_in_a_folder_and_its_merger_is_kept(blobs, tmp_path):
    out = tmp_path / "out"
    few = [row for row in blobs if row[0][0] in "ab"]
    assert run("discover", vectors(tmp_path / "few.parquet", few), "-o", out, "-q") == 0
    before = read_folder(out)
    codes = [one.code for one in before.standing()]
    assert run("discover", "merge", out, *codes, *WHO, "-q") == 0
    assert run("discover", vectors(tmp_path / "all.parquet", blobs), "-o", out, "-q") == 0
    after = read_folder(out)
    assert after.aliases(codes[0]) == [codes[1]]
    assert sorted(len(records) for records in after.members().values()) == [8, 8, 16]
    assert (out / "cards" / f"{codes[0]}.html").is_file()


def test_ids_with_tabs_and_line_breaks_are_found_again(blobs, tmp_path):
    out, text = tmp_path / "out", "".join(np.random.default_rng(2).choice([*"ACGT"], 300))
    with (tmp_path / "q.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("occurrenceID", "sequence"), *((f'a\t"{n}"', text) for n in range(3))]
        )
    odd = vectors(tmp_path / "v.parquet", [(f"{key}\t\n'", v) for key, v in blobs])
    for source in (tmp_path / "q.csv", odd):
        folder = out / source.stem
        assert run("discover", source, "-o", folder, "-q") == 0
        before = read_folder(folder)
        assert run("discover", source, "-o", folder, "-q") == 0
        assert read_folder(folder) == before


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_no_markup_of_data_is_ever_executed(tmp_path):
    chance = np.random.default_rng(1)
    rows = [(f"{EVIL}{n}", chance.normal(size=16).astype(np.float32)) for n in range(2)]
    rows = [(key, rows[0][1] + 0.01 * vector) for key, vector in rows]
    answers = tmp_path / "answers.tsv"
    answers.write_text(
        "id\tgenus\tp_genus\trank\tname\n"
        + "".join(f"{key}\t{EVIL}\t0.9\tgenus\t{EVIL}\n" for key, _ in rows)
    )
    source, out = vectors(tmp_path / "v.parquet", rows), tmp_path / "out"
    words = ("--method", "k-means", "--clusters", 1)
    assert run("discover", source, "--answers", answers, "-o", out, *words, "-q") == 0
    pages = [*out.rglob("*.html")]
    assert len(pages) == 2
    for page in pages:
        tags = Tags()
        tags.feed(page.read_text(encoding="utf-8"))
        assert "script" not in tags.seen
        assert "&lt;script&gt;" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.fasta", "-o", "out"], "missing.fasta"),
        (["empty.fasta", "-o", "out"], "is empty"),
        (["q.fasta"], "say where tables and pages go"),
        (["empty.fasta"], "say where tables and pages go"),  # before anything is read
        (["q.fasta", "-o", "full"], "holds other things"),
        (["q.fasta", "-o", "out", "--method", "ward"], "is for vectors"),
        (["q.fasta", "-o", "out", "--clusters", "3"], "is for vectors"),
        (["q.fasta", "-o", "out", "--agree", "0.2"], "expected a share"),
        (["q.fasta", "-o", "out", "--by", "pictures"], "is for catalogues"),
        (["q.fasta", "-o", "out", "--encoder", "effnet"], "is for catalogues"),
        (["q.fasta", "-o", "out", "--reduce", "umap"], "is for vectors"),
        (["q.fasta", "-o", "out", "--cards", "-1"], "expected 0 or more"),
        (["v.parquet", "-o", "out", "--distance", "0.01"], "is for the identity of sequences"),
        (["none", "-o", "out"], "holds no"),
        (["list", "full"], "is neither a catalogue"),
        (["list", "none"], "holds no clusters"),
        (["merge", "none", "a", "b", "--who", "A"], "holds no clusters"),
        (["merge", "none", "a", "b", "--who", "A", "--date", "soon"], "expected a date"),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else value[0],
)
def test_what_cannot_be_done_is_said_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("empty.fasta").touch()
    Path("q.fasta").write_text(">a\n" + "ACGT" * 50 + "\n>b\n" + "ACGT" * 50 + "\n")
    vectors(Path("v.parquet"), [(key, np.ones(16, np.float32)) for key in "ab"])
    Path("full").mkdir()
    Path("full/other").touch()
    Catalogue.create("none").close()
    assert run("discover", *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_bad_sequences_are_set_aside_and_listed(tmp_path, capsys):
    source = tmp_path / "q.fasta"
    text = "".join(np.random.default_rng(2).choice([*"ACGT"], 300))
    source.write_text(f">a\n{text}\n>b\n{text}\n>c\nMKLSAAAGTPLWVFLEDQRSTIHN\n>d\nACGT\n")
    assert run("discover", source, "-o", tmp_path / "out") == 0
    assert {row["id"] for row in table(tmp_path / "out" / "set_aside.tsv")} == {"c", "d"}
    assert "2 set aside" in capsys.readouterr().out
    assert len([*(tmp_path / "out" / "cards").iterdir()]) == 1


def two_kinds(folder: Path) -> tuple[Path, Path]:
    """Write two species whose barcodes hang together and whose pictures differ.

    The last specimen of each has a picture alone.
    """
    chance = np.random.default_rng(7)
    letters = np.array(list("ACGT"))

    def changed(text: np.ndarray, sites: np.ndarray) -> np.ndarray:
        found = text.copy()
        found[sites] = letters[(np.searchsorted(letters, found[sites]) + 1) % 4]
        return found

    order = chance.permutation(600)
    first = letters[chance.integers(0, 4, 600)]
    kinds = {"a": first, "b": changed(first, order[:4])}
    rows, seen_as = [], []
    for place, (kind, text) in enumerate(kinds.items()):
        for number in range(6):
            # Each has two or three bases of its own: 0.8 % within a species, 1.5 % between.
            own = order[10 + 30 * place + 3 * number :][: 2 + number % 2]
            sequence = "".join(changed(text, own)) if number < 5 else ""
            rows.append((f"{kind}{number}", sequence))
            seen_as.append(np.eye(16)[place] + chance.normal(0, 0.05, 16))
    specimens = folder / "specimens.csv"
    with specimens.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("occurrenceID", "sequence"), *rows])
    seen = [(key, row) for (key, _), row in zip(rows, seen_as, strict=True)]
    return specimens, vectors(folder / "pictures.parquet", seen)


def groups_in(folder: Path) -> set[str]:
    found: dict[str, list[str]] = {}
    for row in table(folder / "members.tsv"):
        found.setdefault(row["clusterCode"], []).append(row["recordID"])
    return {" ".join(sorted(members)) for members in found.values()}


def test_pictures_part_what_barcodes_leave_together_and_place_what_has_none(tmp_path):
    specimens, pictures = two_kinds(tmp_path)
    assert run("import", specimens, "--into", tmp_path / "cat", "-q") == 0
    asked = ("discover", tmp_path / "cat", "-q", "-o")
    assert run(*asked, tmp_path / "one", "--by", "barcodes") == 0
    together = " ".join(f"{kind}{n}" for kind in "ab" for n in range(5))
    assert groups_in(tmp_path / "one") == {together}
    both = ("--by", "both", "--embeddings", pictures)
    assert run(*asked, tmp_path / "two", *both, "--points") == 0
    each = {" ".join(f"{kind}{n}" for n in range(6)) for kind in "ab"}
    assert groups_in(tmp_path / "two") == each
    assert "a5" in (tmp_path / "two" / "points.html").read_text(encoding="utf-8")
    assert run(*asked, tmp_path / "no", *both, "--method", "ward") == 2
