"""Data sets of Hugging Face in Parquet files: what is taken, told and written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from PIL import Image

from merian.catalogue import Catalogue, Reading, Summary
from merian.catalogue.sources import Reject, Rows
from merian.errors import FormatError, InputError
from merian.formats import Options, find_format, read_path, sniff, write_path
from merian.formats.hf_features import Card, features_of, read_card, split_of
from merian.image.addresses import read_file

Take = Callable[[Reading], tuple[Catalogue, Summary]]
GOLDEN = Path(__file__).parent / "golden" / "hf-parquet"


def png(grey: int = 7, size: tuple[int, int] = (12, 8)) -> bytes:
    held = io.BytesIO()
    Image.new("L", size, grey).save(held, "PNG")
    return held.getvalue()


def cell(content: bytes | None, name: str = "x.png") -> str:
    made = f"from_hex('{content.hex()}')" if content is not None else "NULL"
    return f"{{'bytes': {made}, 'path': '{name}'}}"


def write(path: Path, columns: str, rows: list[str], features: object = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = ""
    if features is not None:
        text = json.dumps({"info": {"features": features}}).replace("'", "''")
        told = f", KV_METADATA {{huggingface: '{text}'}}"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT * FROM (VALUES {', '.join(rows)}) t({columns})) TO '{path}' "
                    f"(FORMAT parquet{told})")  # fmt: skip
    return path


def rows_of(
    reading: Reading, table: str = "record"
) -> tuple[list[dict[str, object]], list[Reject]]:
    rows: list[dict[str, object]] = []
    rejects: list[Reject] = []
    for source in reading.sources:
        assert isinstance(source, Rows)
        if source.table != table:
            continue
        for chunk in source.chunks:
            if isinstance(chunk, Reject):
                rejects.append(chunk)
            else:
                rows += [dict(zip(chunk, values, strict=True))
                         for values in zip(*chunk.values(), strict=True)]  # fmt: skip
    return rows, rejects


CLASSES = {"image": {"_type": "Image"},
           "label": {"names": ["Apis", "Bombus"], "_type": "ClassLabel"}}  # fmt: skip


def test_pictures_stay_where_they_are(tmp_path: Path) -> None:
    path = write(
        tmp_path / "bees" / "data" / "validation-00003-of-00012.parquet",
        "image, label",
        [f"({cell(png(1), 'a.png')}, 1)", f"({cell(png(2), 'b.png')}, 0)"],
        CLASSES,
    )
    reading = read_path(tmp_path / "bees")
    assert reading.format == "hf-parquet"
    rows, rejects = rows_of(reading)
    assert not rejects
    assert [row["verbatimIdentification"] for row in rows] == ["Bombus", "Apis"]
    assert [row["line"] for row in rows] == [1, 2]
    assert rows[1]["occurrenceID"] == "bees/data/validation-00003-of-00012.parquet:1"
    assert rows[1]["split"] == "val"
    assert rows[1]["accessURI"] == f"{path}!/image/1"
    assert read_file(str(rows[1]["accessURI"])) == png(2)
    assert (rows[1]["pixelXDimension"], rows[1]["pixelYDimension"]) == (12, 8)
    assert rows[1]["mediaRemarks"] == "file b.png"


def test_without_looking_only_the_place_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", "image, label", [f"({cell(b'no picture')}, 1)",
                 f"({cell(None, '')}, 0)"], CLASSES)  # fmt: skip
    rows, rejects = rows_of(read_path(path, Options(extra={"look": "no"})))
    assert not rejects
    assert [row["accessURI"] for row in rows] == [f"{path}!/image/0", None]
    assert rows[0]["contentHash"] is None


def test_what_is_wrong_is_told_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", "image, label", [
        f"({cell(png())}, 2)", f"({cell(png()[:40])}, -1)", f"({cell(None, '')}, NULL)",
        f"({cell(png())}, -7)",
    ], CLASSES)  # fmt: skip
    rows, rejects = rows_of(read_path(path))
    assert [row["verbatimIdentification"] for row in rows] == [None] * 4
    assert [row["accessURI"] is None for row in rows] == [False, True, True, False]
    assert [(r.line, r.term, r.scope, r.reason.split(" (")[0]) for r in rejects] == [
        (1, "label", "value", "class 2 has no name: 2 are named"),
        (4, "label", "value", "class -7 has no name: 2 are named"),
        (2, "accessURI", "value", "is no picture that can be read"),
    ]


def test_numbers_without_names_are_kept_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", "image, labels", [f"({cell(png())}, 3)"])
    reading = read_path(path)
    assert rows_of(reading)[0][0]["verbatimIdentification"] == "3"
    assert "labels holds numbers, and neither the file nor a README says what they mean" in (
        reading.notes
    )


CARD = """---
license: cc-by-4.0
pretty_name: 'Bees'
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': Apis
          '1': "Bombus \\u0041"
          '2': it''s: "odd" # not a comment
          '3': 'a''b'
  - name: other
    dtype: int64
  splits:
  - name: train
---
# names:
"""


def test_a_card_names_classes_and_the_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    write(tmp_path / "train" / "0000.parquet", "image, label, kind", [f"({cell(png())}, 1, 'x')"])
    card = read_card(tmp_path / "README.md")
    assert card.classes == {"label": ("Apis", "Bombus A", "it''s: \"odd\"", "a'b")}
    ((row,), _) = rows_of(read_path(tmp_path))
    assert row["verbatimIdentification"] == "Bombus A"
    assert (row["license"], row["datasetName"], row["split"]) == ("cc-by-4.0", "Bees", "train")


@pytest.mark.parametrize(("text", "expected"), [
    ("", Card()), ("no card", Card()), ("---\n---\n", Card()), ("---\nlicense: [mit]\n", Card()),
    ("---\nlicense:\n- mit\ntags:\n- x\n---\n", Card(license="mit")),
    ("---\nlicense:\n- mit\n- gpl\n---\n", Card()), ("---\nlicense: other\n---\n", Card()),
    ("---\ndataset_info:\n- config_name: a\n  features:\n  - name: l\n    dtype:\n"
     "      class_label:\n        names:\n        - x\n        - y\n"
     "- config_name: b\n  features:\n  - name: l\n"
     "    dtype:\n      class_label:\n        names:\n        - y\n        - x\n---\n",
     Card(doubtful=("l",))),
])  # fmt: skip
def test_of_a_card_no_more_is_read_than_is_sure(tmp_path: Path, text: str, expected: Card) -> None:
    (tmp_path / "README.md").write_text(text)
    assert read_card(tmp_path / "README.md") == expected


@pytest.mark.parametrize("text", ["", "{", "[]", '{"info": 3}', '{"info": {"features": []}}',
                                  '{"info": {"features": {"a": 1}}}', "[" * 100_000])  # fmt: skip
def test_damaged_features_are_none(text: str) -> None:
    assert not features_of(text).classes


@pytest.mark.parametrize(("name", "split"), [
    ("data/train-00000-of-00002.parquet", "train"), ("data/test_unseen-00000-of-00001.parquet",
    "test_unseen"), ("dev.parquet", "val"), ("default/validation/0000.parquet", "val"),
    ("my-eval-set.parquet", "test"), ("data/part.parquet", None), ("contested.parquet", None),
])  # fmt: skip
def test_the_split_is_in_the_name(tmp_path: Path, name: str, split: str | None) -> None:
    assert split_of(tmp_path / name, tmp_path) == split


def test_columns_find_their_terms(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet", "image, photo, id, genus, lat, taken, area, note, boxes, label",
        [f"({cell(png(1))}, from_hex('{png(2).hex()}'), 'S1', 'Apis', 12.5, DATE '2021-05-01', "
         "3.25, 'None', [1, 2], 'Apis mellifera')"],
    )  # fmt: skip
    reading = read_path(path, Options(mapping={"taken": "eventDate"}))
    ((row,), _) = rows_of(reading)
    assert {t: row[t] for t in ("occurrenceID", "genus", "decimalLatitude", "eventDate",
                                "verbatimIdentification")} == {
        "occurrenceID": "S1", "genus": "Apis", "decimalLatitude": "12.5",
        "eventDate": "2021-05-01", "verbatimIdentification": "Apis mellifera",
    }  # fmt: skip
    measured, _ = rows_of(reading, "measurement")
    assert [(m["occurrenceID"], m["measurementType"], m["measurementValue"]) for m in measured] == [
        ("S1", "area", "3.25")
    ]
    further, _ = rows_of(reading, "media")
    assert [m["accessURI"] for m in further] == [f"{path}!/photo/0"]
    assert "lists, structs and bytes are left: boxes" in reading.notes


def test_several_configurations_must_be_told_apart(tmp_path: Path) -> None:
    for name in ("full", "small"):
        write(tmp_path / name / "train-00000-of-00001.parquet", "image, label",
              [f"({cell(png())}, '{name}')"])  # fmt: skip
    with pytest.raises(FormatError, match=r"several configurations \(full, small\).*--set config"):
        read_path(tmp_path)
    ((row,), _) = rows_of(read_path(tmp_path, Options(extra={"config": "small"})))
    assert row["verbatimIdentification"] == "small"
    with pytest.raises(InputError, match=r"no configuration 'tiny'; there are full, small"):
        read_path(tmp_path, Options(extra={"config": "tiny"}))


def test_what_is_no_parquet_says_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", "image, label", [f"({cell(png())}, 1)"])
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(FormatError, match=r"a.parquet: is cut short: .* ends with PAR1"):
        read_path(path, format="hf-parquet")
    path.write_bytes(b"image,label\n")
    with pytest.raises(FormatError, match="begins with b'imag' and not PAR1"):
        read_path(path, format="hf-parquet")
    path.write_bytes(content[:4] + b"\0" * 20 + content[-4:])
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read_path(path, format="hf-parquet")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "dataset_info.json").write_text("{}")
    with pytest.raises(FormatError, match="holds Arrow files of save_to_disk"):
        read_path(tmp_path / "saved")


def test_a_damaged_part_is_set_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    groups = " UNION ALL ".join(
        f"(SELECT {{'bytes': from_hex('{png(i).hex()}'), 'path': NULL::VARCHAR}} AS image, "
        f"'label {i} ' || n AS label FROM range(50) t(n))" for i in range(3)
    )  # fmt: skip
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"COPY ({groups}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 50, "
                    "COMPRESSION gzip)")  # fmt: skip
        starts = con.execute(
            f"SELECT coalesce(dictionary_page_offset, data_page_offset) FROM "
            f"parquet_metadata('{path}') WHERE path_in_schema LIKE 'image, bytes' ORDER BY 1"
        ).fetchall()
    content = bytearray(path.read_bytes())
    at = starts[1][0]
    content[at : at + 60] = b"\xff" * 60
    path.write_bytes(content)
    rows, rejects = rows_of(read_path(path))
    assert [(r.line, r.scope) for r in rejects] == [(51, "row")]
    assert rejects[0].reason.startswith("rows 51 to 100 cannot be read: damaged: ")
    assert [row["line"] for row in rows] == [*range(1, 51), *range(101, 151)]


# -- writing ------------------------------------------------------------------------------------


def content_of(catalogue: Catalogue) -> list[tuple[object, ...]]:
    tables = {"occurrence": "runID", "event": "runID", "identification": "runID",
              "media": "runID, accessURI", "measurement": "runID"}  # fmt: skip
    return [row for name, out in tables.items()
            for row in catalogue.query(f"SELECT '{name}', * EXCLUDE ({out}) FROM {name} "
                                       "ORDER BY ALL").fetch()]  # fmt: skip


def awkward(tmp_path: Path) -> Path:
    """A data set with tabs, quotes, line ends and other letters in its texts."""
    odd = ["a\tb", 'say "it"', "line\nend", "Ærø ☃", "it's", "comma, semicolon;"]
    splits = ("NULL", "'train'", "'hold out'")
    rows = [
        f"({cell(png(i)) if i % 3 else 'NULL'}, 'S{i}', {quoted(odd[i % 6])}, "
        f"{quoted(odd[(i + 1) % 6])}, {i / 5 + 0.1}, {i * 10}, {splits[i % 3]})"
        for i in range(160)
    ]
    return write(tmp_path / "odd.parquet", "image, id, label, locality, lat, area, split", rows)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("target", ["set", "set.parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, take_in: Take, target: str) -> None:
    first, _ = take_in(read_path(awkward(tmp_path)))
    assert first.query("SELECT count(*) FROM media").value() == 106
    assert write_path(first, tmp_path / target, "hf-parquet") == 160
    reading = read_path(tmp_path / target)
    assert reading.format == "hf-parquet"
    second, summary = take_in(reading)
    assert summary.rows_rejected == summary.values_rejected == 0
    assert content_of(second) == content_of(first)


def rows_source(table: str, listed: list[dict[str, object]], path: Path) -> Rows:
    terms = dict.fromkeys(term for row in listed for term in row)
    made = {term: [row.get(term) for row in listed] for term in terms}
    return Rows(path, table, [{"line": list(range(1, len(listed) + 1)), **made}])


def told_twice(folder: Path) -> Reading:
    """A frame with two outlined regions, names by people and machines, and one changed."""
    Image.new("RGB", (100, 50), (200, 0, 0)).save(folder / "frame.png")
    box = {"xFrac": 0.1, "yFrac": 0.2, "widthFrac": 0.3, "heightFrac": 0.4}
    media: list[dict[str, object]] = [
        {"mediaID": "F", "accessURI": str(folder / "frame.png")},
        {"mediaID": "R0", "occurrenceID": "O0", "derivedFromMediaID": "F",
         "regionOutline": "POLYGON ((10 10, 40 10, 40 30.5, 10 10))", **box},
        {"mediaID": "R1", "occurrenceID": "O1", "derivedFromMediaID": "F",
         "regionOutline": "RLE(50 100 0 5000)", **box},
        {"mediaID": "R2", "occurrenceID": "O1", "accessURI": str(folder / "frame.png"),
         "regionOutline": "POINT (3 4)"},
    ]  # fmt: skip
    names: list[dict[str, object]] = [
        {"identificationID": "I0", "occurrenceID": "O0", "verbatimIdentification": "Calanus ?",
         "identifiedBy": 'A "B" Person', "agentType": "human", "dateIdentified": "2021-01-01"},
        {"identificationID": "I1", "mediaID": "R0", "scientificName": "Calanus finmarchicus",
         "identifiedBy": "net v1", "agentType": "machine", "probability": 0.1 + 0.2},
        {"identificationID": "I2", "occurrenceID": "O0", "scientificName": "Calanus hyperboreus",
         "agentType": "human", "identifiedBy": "C\nD", "dateIdentified": "2022-01-01",
         "identificationRemarks": "Æ, [1] {2}"},
        {"identificationID": "I3", "occurrenceID": "O1", "scientificName": "Oithona",
         "agentType": "human"},
        {"identificationID": "I4", "nucleotideSequenceID": "N1", "agentType": "machine",
         "scientificName": "Oithona similis", "probability": 0.5},
    ]  # fmt: skip
    sequences: list[dict[str, object]] = [
        {"nucleotideSequenceID": f"N{n}", "occurrenceID": "O1", "sequence": "ACGT" * (n + 1),
         "targetGene": "COI-5P"} for n in range(2)
    ]  # fmt: skip
    occurrences: list[dict[str, object]] = [{"occurrenceID": f"O{n}"} for n in range(2)]
    source = folder / "source"
    source.write_text("x")
    tables = {"occurrence": occurrences, "media": media, "sequence": sequences,
              "identification": names}  # fmt: skip
    listed = tuple(rows_source(name, rows, source) for name, rows in tables.items())
    return Reading("drawn", listed, (source,))


def test_histories_and_outlines_are_written_and_read_back(tmp_path: Path, take_in: Take) -> None:
    first, _ = take_in(told_twice(tmp_path))
    write_path(first, tmp_path / "set", "hf-parquet")
    second, summary = take_in(read_path(tmp_path / "set"))
    assert summary.rows_rejected == summary.values_rejected == 0
    names = "SELECT * EXCLUDE (runID) FROM identification ORDER BY identificationID"
    before, after = first.query(names), second.query(names)
    columns = before.columns
    told = [dict(zip(columns, row, strict=True)) for row in before.fetch()]
    back = [dict(zip(columns, row, strict=True)) for row in after.fetch()]
    # What was said of a barcode that is not written is of the record now.
    told[4] |= {"occurrenceID": "O1", "nucleotideSequenceID": None}
    assert back == told
    standing = "SELECT identificationID FROM determination ORDER BY occurrenceID"
    assert second.query(standing).fetch() == first.query(standing).fetch() == [("I2",), ("I3",)]
    where = ("SELECT mediaID, occurrenceID, derivedFromMediaID, xFrac, yFrac, widthFrac, "
             "heightFrac, regionOutline FROM media WHERE mediaID <> 'F' ORDER BY 1")  # fmt: skip
    assert second.query(where).fetch() == first.query(where).fetch()
    sizes = "SELECT pixelXDimension, pixelYDimension FROM media ORDER BY mediaID"
    assert second.query(sizes).fetch() == [(30, 20), (30, 20), (100, 50)]
    # A region that was cut out is a picture now, and is written as it is.
    write_path(second, tmp_path / "again", "hf-parquet")
    third, _ = take_in(read_path(tmp_path / "again"))
    assert content_of(third) == content_of(second)


@pytest.mark.parametrize(("text", "why"), [("[1]", "no list of objects"), ("{", "is no JSON")])
def test_a_damaged_history_is_told(tmp_path: Path, take_in: Take, text: str, why: str) -> None:
    file = tmp_path / "a.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT 'A' AS occurrenceID, {quoted(text)} AS identifications) TO '{file}' "
            '(FORMAT parquet, KV_METADATA {merian: \'{"terms": {"occurrenceID": '
            '"occurrenceID"}, "measured": {}, "history": "identifications"}\'})'
        ).fetchall()
    catalogue, summary = take_in(read_path(file))
    assert summary.values_rejected == 1
    assert why in str(catalogue.query("SELECT reason FROM rejects").value())


def test_row_groups_hold_a_hundred_rows_and_features_say_what_they_are(
    tmp_path: Path, take_in: Take
) -> None:
    catalogue, _ = take_in(read_path(awkward(tmp_path)))
    write_path(catalogue, tmp_path / "set", "hf-parquet")
    names = sorted(p.name for p in (tmp_path / "set" / "data").iterdir())
    assert names == ["hold_out-00000-of-00001.parquet", "train-00000-of-00001.parquet"]
    with duckdb.connect() as con:
        file = tmp_path / "set" / "data" / names[1]
        groups = con.execute(
            f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('{file}')"
        ).fetchall()
        assert sorted(number for _, number in groups) == [7, 100]
        ((told,),) = con.execute(
            f"SELECT value FROM parquet_kv_metadata('{file}') WHERE key = 'huggingface'"
        ).fetchall()
        # A column that may not be empty is not what `datasets` expects, and loses its feature.
        kinds = con.execute(
            f"SELECT DISTINCT repetition_type FROM parquet_schema('{file}') WHERE type IS NOT NULL"
        ).fetchall()
        assert kinds == [("OPTIONAL",)]
    features = json.loads(told)["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"]["_type"] == "ClassLabel"
    assert features["label"]["names"] == sorted(features["label"]["names"])
    assert features["decimalLatitude"] == {"dtype": "float64", "_type": "Value"}


def test_the_same_catalogue_gives_the_same_bytes(
    tmp_path: Path, new_catalogue: Callable[..., Catalogue]
) -> None:
    path = awkward(tmp_path)
    found = []
    for threads in (1, 3):
        catalogue = new_catalogue(threads)
        catalogue.ingest(read_path(path))
        write_path(catalogue, tmp_path / f"{threads}.parquet", "hf-parquet")
        found.append((tmp_path / f"{threads}.parquet").read_bytes())
    assert found[0] == found[1]


def test_a_region_is_cut_out(tmp_path: Path, take_in: Take) -> None:
    Image.new("RGB", (100, 50), (200, 0, 0)).save(tmp_path / "tray.png")
    table = tmp_path / "t.csv"
    table.write_text("occurrenceID,mediaID,accessURI,xFrac,yFrac,widthFrac,heightFrac\n"
                     "A,m1,tray.png,0.1,0.2,0.3,0.4\n")  # fmt: skip
    catalogue, _ = take_in(read_path(table))
    write_path(catalogue, tmp_path / "set", "hf-parquet")
    ((row,), _) = rows_of(read_path(tmp_path / "set"))
    assert (row["mediaID"], row["pixelXDimension"], row["pixelYDimension"]) == ("m1", 30, 20)


def test_a_picture_that_is_gone_stops_the_writing(tmp_path: Path, take_in: Take) -> None:
    table = tmp_path / "t.csv"
    table.write_text("occurrenceID,accessURI\nA,/nowhere/a.png\n")
    catalogue, _ = take_in(read_path(table))
    with pytest.raises(InputError, match=r"/nowhere/a.png: .*No such file.*; bring the picture"):
        write_path(catalogue, tmp_path / "set", "hf-parquet")
    assert not (tmp_path / "set").exists()


def test_a_picture_of_the_web_stays_there(tmp_path: Path, take_in: Take) -> None:
    table = tmp_path / "t.csv"
    table.write_text("occurrenceID,accessURI\nA,https://example.org/a.png\n")
    catalogue, _ = take_in(read_path(table))
    write_path(catalogue, tmp_path / "set", "hf-parquet")
    ((row,), rejects) = rows_of(read_path(tmp_path / "set"))
    assert row["accessURI"] == "https://example.org/a.png"
    assert not rejects


def test_what_is_written_is_as_it_was(tmp_path: Path, take_in: Take) -> None:
    # After a change that is meant: write `found` to the golden file, and read the difference.
    catalogue, _ = take_in(read_path(find_format("hf-parquet").fake(tmp_path, 1)))
    write_path(catalogue, tmp_path / "out", "hf-parquet")
    lines = []
    with duckdb.connect() as con:
        for file in sorted((tmp_path / "out" / "data").iterdir()):
            lines.append(file.name)
            told = con.execute(
                f"SELECT decode(value) FROM parquet_kv_metadata('{file}') ORDER BY key"
            ).fetchall()
            lines += [text for (text,) in told]
            lines += [
                text for (text,) in con.execute(
                    "SELECT to_json(t)::VARCHAR FROM (SELECT * REPLACE "
                    # The id of a picture is a hash of its address, which is another each time.
                    f"(md5(image.bytes) AS image, 'id' AS mediaID) FROM read_parquet('{file}')) t"
                ).fetchall()
            ]  # fmt: skip
    found = "\n".join(lines) + "\n"
    assert found == (GOLDEN / "golden.txt").read_text(encoding="utf-8")


# -- real files ---------------------------------------------------------------------------------

REAL = {"007-biorepo-split__16gsx5v7": 584, "007-biorepo-split__um3ukq2x": 595,
        "008-round1__9a7jk34w": 627}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_taken_in_whole(shared: Path, take_in: Take, name: str) -> None:
    path = shared / "traits" / "beetle_traits_toras" / f"{name}.parquet"
    assert sniff(path).name == "hf-parquet"
    catalogue, summary = take_in(read_path(path))
    assert summary.added["occurrence"] == summary.added["identification"] == REAL[name]
    assert summary.rows_rejected == summary.values_rejected == 0
    with duckdb.connect() as con:
        ((names, total),) = con.execute(
            f"SELECT count(DISTINCT scientific_name), sum(gt_width_cm) FROM read_parquet('{path}')"
        ).fetchall()
    assert catalogue.query(
        "SELECT count(DISTINCT verbatimIdentification) FROM identification"
    ).value() == names  # fmt: skip
    measured = catalogue.query(
        "SELECT sum(measurementValueNumeric) FROM measurement WHERE measurementType = 'gt_width_cm'"
    ).value()
    assert measured == pytest.approx(total, rel=1e-6)
