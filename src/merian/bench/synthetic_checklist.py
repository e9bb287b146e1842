"""A made checklist of any size in the Catalogue of Life's format, for measuring.

Names are built from syllables, so that they look and spell like names: genera share epithets,
close spellings exist, some genera stand in two kingdoms, a fifth are synonyms. Written by DuckDB
alone and the same for the same seed.
"""

from __future__ import annotations

from pathlib import Path

from merian.database import connect

__all__ = ["write_checklist"]

_SYLLABLES = [
    "ba",
    "ca",
    "da",
    "fa",
    "ga",
    "la",
    "ma",
    "na",
    "pa",
    "ra",
    "sa",
    "ta",
    "va",
    "be",
    "ce",
    "de",
    "le",
    "me",
    "ne",
    "pe",
    "re",
    "se",
    "te",
    "bi",
    "ci",
    "di",
    "li",
    "mi",
    "ni",
    "pi",
    "ri",
    "si",
    "ti",
    "co",
    "do",
    "lo",
    "mo",
    "no",
    "po",
    "ro",
    "so",
    "to",
    "bu",
    "cu",
    "du",
    "lu",
    "mu",
    "nu",
    "pu",
    "ru",
    "su",
    "tu",
    "phi",
    "tho",
    "chry",
    "xan",
    "psi",
    "cri",
    "dro",
    "pte",
]
_GENUS_ENDS = ["us", "a", "um", "is", "ella", "ina", "oides", "opsis", "ia", "ops", "ites", "aster"]
_EPITHET_ENDS = ["us", "a", "um", "is", "ensis", "iana", "ata", "osa", "ella", "ii", "alis", "ina"]


def _word(number: str, syllables: int, ends: str) -> str:
    """Return SQL that spells a number as a word; different numbers give different words."""
    n = len(_SYLLABLES)
    parts = [f"list_extract(syllables, 1 + ({number} // {n**i}) % {n})" for i in range(syllables)]
    return " || ".join([*parts, f"list_extract({ends}, 1 + ({number} // {n**syllables}) % 12)"])


def write_checklist(folder: Path, names: int, seed: int = 0) -> Path:
    """Write ``NameUsage.tsv`` with about ``names`` names into a folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    genera = max(names // 11, 12)
    families = max(genera // 40, 6)
    orders, classes, phyla = max(families // 12, 5), max(families // 60, 4), 3
    species = int(names * 0.72)
    synonyms = max(names - genera - families - orders - classes - phyla - 2 - species, 0)
    con = connect()
    genus_words, epithet_words = len(_SYLLABLES) ** 3 * 12, len(_SYLLABLES) ** 2 * 12
    # A step that shares no factor with the number of words visits each once; one genus in a
    # thousand repeats the name of the one before it: homonyms, in two families.
    con.execute(
        f"""
        CREATE TABLE lists AS SELECT {_SYLLABLES} AS syllables, {_GENUS_ENDS} AS ge,
                                     {_EPITHET_ENDS} AS ee;
        CREATE MACRO capital(w) AS upper(w[1]) || w[2:];
        CREATE TABLE genus AS SELECT i, capital({_word("k", 3, "ge")}) AS name
        FROM (SELECT i, (i - (i % 1000 = 999)::INT) * 7919 % {genus_words} AS k
              FROM range({genera}) t(i)), lists;
        """
    ).fetchall()

    def level(prefix: str, count: int, above: str, above_count: int, rank: str, end: str) -> str:
        return (
            f"SELECT '{prefix}' || i AS id, '{above}' || (i % {above_count}) AS parent, "
            f"'accepted' AS status, '{rank}' AS rank, "
            f"capital({_word(f'(i * 31 + {seed})', 3, 'ge')}) || '{end}' AS name, '' AS author "
            f"FROM range({count}) t(i), lists"
        )

    epithet = _word(f"((i * 104651 + i // 7 + {seed}) % {epithet_words})", 2, "ee")
    other = _word(f"((i * 15485863 + i // 3 + {seed}) % {epithet_words})", 2, "ee")
    con.execute(
        f"""
        COPY (
          SELECT 'k0' AS "ID", '' AS "parentID", 'accepted' AS status, 'kingdom' AS rank,
                 'Animalia' AS "scientificName", '' AS authorship
          UNION ALL SELECT 'k1', '', 'accepted', 'kingdom', 'Plantae', ''
          UNION ALL {level("p", phyla, "k", 2, "phylum", "zoa")}
          UNION ALL {level("c", classes, "p", phyla, "class", "acea")}
          UNION ALL {level("o", orders, "c", classes, "order", "ida")}
          UNION ALL {level("f", families, "o", orders, "family", "idae")}
          UNION ALL SELECT 'g' || i, 'f' || (i * 13 % {families}), 'accepted', 'genus', name,
                 'Author, 18' || (10 + i % 90) FROM genus
          UNION ALL SELECT 's' || i, 'g' || (i % {genera}), 'accepted', 'species',
                 name || ' ' || {epithet}, '(Writer, 17' || (58 + i % 42) || ')'
          FROM (SELECT i, i % {genera} AS g FROM range({species}) t(i))
          JOIN (SELECT i AS g, name FROM genus) USING (g), lists
          UNION ALL SELECT 'y' || i, 's' || (i * 3 % {species}), 'synonym', 'species',
                 name || ' ' || {other}, 'Older, 17' || (58 + i % 42)
          FROM (SELECT i, i * 7 % {genera} AS g FROM range({synonyms}) t(i))
          JOIN (SELECT i AS g, name FROM genus) USING (g), lists
        ) TO '{folder / "NameUsage.tsv"}' (FORMAT csv, DELIMITER '\t', HEADER, QUOTE '', ESCAPE '')
        """
    ).fetchall()
    con.close()
    return folder
