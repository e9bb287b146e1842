"""What is read as a barcode, and what is set aside with which reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merian.barcode.reading import read_query

BARCODE = "ACGTTGCATTAGGCCATTAACGGT" * 5
PROTEIN = "MFINRWLFSTNHKDIGTLYLLFGAWAGVLGTALSLLIRAELGQPGNLLGNDHIYNVIVTAHAFVMIFF"


@pytest.mark.parametrize(
    "text",
    [
        BARCODE,
        BARCODE.lower(),
        BARCODE.replace("T", "U"),
        f"NNN--{BARCODE}..N\r\n",
        "\n".join(BARCODE[i : i + 20] for i in range(0, 120, 20)),
    ],
)
def test_a_barcode_is_read_however_it_is_written(text):
    assert read_query(text) == (BARCODE, "")


def test_bases_that_were_not_called_and_slips_are_n():
    assert read_query(f"{BARCODE}{'N' * 300}{BARCODE}") == (f"{BARCODE}{'N' * 300}{BARCODE}", "")
    assert read_query(f"{BARCODE}?x1{BARCODE}") == (f"{BARCODE}NNN{BARCODE}", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" -.\n?", "empty"),
        ("ACGT", "too short: 4 bases called of the 50 needed"),
        ("N" * 700, "too short: 0 bases"),
        (BARCODE[:49], "too short: 49 bases"),
        (PROTEIN, "protein"),
        (PROTEIN.lower() + "*", "protein"),
        ("not available", "protein"),
        ("BOLD:AAA0001, see 12/34 and 5678", "no sequence"),
        ("RYSWKM" * 50, "hardly a sequence"),
        ("日本語" * 30, "no sequence"),
    ],
)
def test_what_is_no_barcode_has_a_reason(text, reason):
    sequence, why = read_query(text)
    assert sequence == ""
    assert reason in why
    assert why.endswith(".")


@given(st.text(max_size=200))
def test_anything_is_either_read_or_has_a_reason(text):
    sequence, why = read_query(text)
    assert bool(sequence) != bool(why)
