"""Small catalogues that are drawn, and what catalogues hold, for tests that nothing is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from merian.catalogue import TABLES, Catalogue

TEXT = st.text(st.sampled_from("abé ü\"',;\t|\\🦋\n1"), min_size=1, max_size=8).map(
    lambda text: " ".join(text.split(" ")).strip() or "x"
)
NAMES = st.sampled_from(
    [("Calanus finmarchicus", "Calanus finmarchicus", "species"), ("Calanus cf. hyperboreus", None,
     None), ("detritus", None, None), (None, "Copepoda", "class"), ("Asterias sp.", None, None)]
)  # fmt: skip
NUMBER = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 6))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def catalogues(draw: st.DrawFn) -> dict[str, list[dict[str, object]]]:
    """Draw the rows of a small catalogue: what hangs on what, and what hangs on nothing."""
    events = [
        {"eventID": f"E{n}", "parentEventID": draw(st.sampled_from([None, "E0", "cruise"])),
         "eventDate": draw(maybe(st.sampled_from(["2020-05-01", "2019", "2020-01-01/2020-02-01"]))),
         "decimalLatitude": draw(maybe(st.floats(-90, 90))), "locality": draw(maybe(TEXT)),
         "samplingProtocol": draw(maybe(TEXT))}
        for n in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    occurrences = [
        {"occurrenceID": f"O{n}", "eventID": draw(st.sampled_from([None, "E0", "E1", "gone"])),
         "basisOfRecord": draw(maybe(st.just("MachineObservation"))),
         "individualCount": draw(maybe(st.integers(0, 9))),
         "occurrenceStatus": draw(st.sampled_from([None, "present", "absent"])),
         "recordedBy": draw(maybe(TEXT)), "split": draw(maybe(TEXT)),
         "occurrenceRemarks": draw(maybe(TEXT))}
        for n in range(draw(st.integers(1, 4)))
    ]  # fmt: skip
    of = st.sampled_from([None, "O0", "O1", "lost"])
    things = [
        {"materialEntityID": f"M{n}", "occurrenceID": draw(of), "catalogNumber": f"c{n}",
         "fieldNumber": draw(maybe(TEXT)), "preparations": draw(maybe(TEXT)),
         "isPartOfMaterialEntityID": draw(st.sampled_from([None, "M0", "tray"]))}
        for n in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    pictures = [
        {"mediaID": f"P{n}", "occurrenceID": draw(of), "accessURI": draw(maybe(TEXT)),
         "materialEntityID": draw(st.sampled_from([None, "M0", "nowhere"])),
         "derivedFromMediaID": draw(st.sampled_from([None, "P0", "away"])) if n else None,
         "xFrac": draw(maybe(NUMBER)), "widthFrac": draw(maybe(NUMBER)),
         "regionOutline": draw(maybe(st.just("POLYGON ((0 0, 1 0, 1 1, 0 0))"))),
         "pixelsPerMillimetre": draw(maybe(st.floats(0.1, 900))), "license": draw(maybe(TEXT)),
         "rightsHolder": draw(maybe(TEXT)), "subjectPart": draw(maybe(TEXT)),
         "mediaRemarks": draw(maybe(TEXT))}
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    sequences = [
        {"nucleotideSequenceID": f"N{n}", "occurrenceID": draw(of), "sequence": "ACGT" * (n + 1),
         "targetGene": draw(maybe(st.sampled_from(["COI-5P", "ITS"]))),
         "pcrPrimerForward": draw(maybe(TEXT)), "readCount": draw(maybe(st.integers(0, 99))),
         "materialEntityID": draw(st.sampled_from([None, "M0", "M9"]))}
        for n in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    subject = st.sampled_from([
        {"occurrenceID": "O0"}, {"mediaID": "P0"}, {"materialEntityID": "M0"},
        {"nucleotideSequenceID": "N0"}, {"occurrenceID": "lost"},
    ])  # fmt: skip
    names = []
    for n in range(draw(st.integers(0, 4))):
        label, name, rank = draw(NAMES)
        names.append(
            {"identificationID": f"I{n}", **draw(subject), "verbatimIdentification": label,
             "scientificName": name, "taxonRank": rank, "identifiedBy": draw(maybe(TEXT)),
             "agentType": draw(st.sampled_from(["human", "machine"])),
             "probability": draw(maybe(NUMBER)), "genus": "Calanus" if name and label else None,
             "identificationType": draw(st.sampled_from(["label", "media", "consensus"])),
             "identificationRemarks": draw(maybe(TEXT))}
        )  # fmt: skip
    measured = [
        {"measurementID": f"Q{n}", "measurementType": draw(TEXT),
         **draw(st.sampled_from([{"occurrenceID": "O0", "mediaID": "P0"}, {"eventID": "E0"},
                                 {"eventID": "nowhere"}, {"mediaID": "P0"},
                                 {"materialEntityID": "M0"}, {"occurrenceID": "lost"}])),
         "measurementValue": draw(st.sampled_from(["1,5", "2", "long", "0.25"])),
         "measurementUnit": draw(maybe(TEXT)), "measurementUpper": draw(maybe(NUMBER)),
         "measurementMethod": draw(maybe(TEXT))}
        for n in range(draw(st.integers(0, 4)))
    ]  # fmt: skip
    return {"event": events, "occurrence": occurrences, "material": things, "media": pictures,
            "sequence": sequences, "identification": names, "measurement": measured}  # fmt: skip


def chunks(rows: list[dict[str, object]]) -> list[dict[str, list[object]]]:
    terms = dict.fromkeys(term for row in rows for term in row)
    made: dict[str, list[object]] = {term: [row.get(term) for row in rows] for term in terms}
    return [{"line": list(range(1, len(rows) + 1)), **made}]


def contents(catalogue: Catalogue) -> dict[str, list[tuple[object, ...]]]:
    """All rows, without what a package adds on purpose: a status, events that are only named."""
    found = {}
    for name, table in TABLES.items():
        listed = ", ".join(
            f"coalesce({c}, 'present')" if c == "occurrenceStatus" else f'"{c}"'
            for c in table.columns
        )
        told = " OR ".join(f'"{c}" IS NOT NULL' for c in table.columns[1:])
        told = told if name == "event" else "true"
        found[name] = catalogue.query(
            f"SELECT {listed} FROM {name} WHERE {told} ORDER BY ALL"
        ).fetch()
    return found
