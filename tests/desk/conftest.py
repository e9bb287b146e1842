"""A small catalogue with pictures, labels and a machine's answers, and a desk opened on it."""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from merian.catalogue import Catalogue

pytest.importorskip("starlette", reason="the desk needs the extra app")
pytest.importorskip("uvicorn", reason="the desk needs the extra app")

GENERA = {"Osmia": ("bicornis", "cornuta"), "Apis": ("mellifera",), "Lasius": ("niger", "flavus")}
FAMILY = {"Osmia": "Megachilidae", "Apis": "Apidae", "Lasius": "Formicidae"}
COUNT = 40
HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>'{{7*7}}"""


def labels() -> list[tuple[str, str, str]]:
    """Record, genus and name of each specimen; the last carries markup for a locality."""
    names = [(g, f"{g} {e}") for g, epithets in GENERA.items() for e in epithets]
    return [(f"R{n:03}", *names[n % len(names)]) for n in range(COUNT)]


def make_catalogue(folder: Path) -> Path:
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    with (folder / "drawer.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(
            "occurrenceID scientificName order family genus accessURI decimalLatitude "
            "decimalLongitude eventDate country locality pixelsPerMillimetre".split()
        )
        for n, (record, genus, name) in enumerate(labels()):
            file = pictures / f"{record} {'<b>&' if n == 3 else ''}.png"
            Image.new("RGB", (64, 48), (n * 6, 90, 255 - n * 6)).save(file)
            place = HOSTILE if n == COUNT - 1 else "meadow"
            rows.writerow([record, name, "Hymenoptera", FAMILY[genus], genus, file, 48 + n / 10,
                           11.5, f"2019-{n % 12 + 1:02}-11", "Chad" if n % 2 else "Germany", place,
                           20])  # fmt: skip
    from merian.cli import main

    assert main(["import", str(folder / "drawer.csv"), "--into", str(folder / "museum"), "-q"]) == 0
    with Catalogue.open(folder / "museum") as opened:
        con = opened.held()
        # A machine agrees on all but every tenth, of which it says another genus.
        con.execute(
            "INSERT INTO identification BY NAME SELECT 'm' || occurrenceID AS identificationID, "
            "occurrenceID, 'consensus' AS identificationType, 'machine' AS agentType, "
            "if(n % 10 = 0, 'Formica', genus) AS genus, "
            "if(n % 10 = 0, 'Formicidae', family) AS family, 'Hymenoptera' AS \"order\", "
            "if(n % 10 = 0, 'Formica', genus) AS scientificName, 'genus' AS taxonRank, "
            "0.5 + n / 100 AS probability, 'Merian 0' AS identifiedBy, 'r' AS runID FROM "
            "(SELECT *, CAST(occurrenceID[2:] AS INTEGER) AS n FROM identification)"
        ).fetchall()
    return folder / "museum"


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue that is copied for each test, since to import it takes longer."""
    return make_catalogue(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def museum(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path / "museum")
    return tmp_path / "museum"


class Server:
    """A desk in a process of its own."""

    def __init__(self, catalogue: Path, *options: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "merian", "review", str(catalogue), "--port", "0", "-q",
             *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )  # fmt: skip
        assert self.child.stdout is not None
        self.address = self.child.stdout.readline().strip()
        assert self.address, self.child.communicate()[1]
        self.port = int(re.search(r":(\d+)/", self.address)[1])
        self.token = self.address.partition("token=")[2]
        self.host = f"127.0.0.1:{self.port}"
        self.cookie = ""
        self.secret = ""
        for _ in range(100):  # the socket listens before pages are answered
            status, _, page = self.get(f"/?token={self.token}" if self.token else "/")
            if status:
                break
            time.sleep(0.05)
        found = re.search(r'merian-desk" content="([^"]+)"', page)
        self.secret = found[1] if found else ""

    def ask(self, method: str, path: str, body: bytes | None = None,
            headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:  # fmt: skip
        con = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            con.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            told = {"Host": self.host, **({"Cookie": self.cookie} if self.cookie else {}),
                    **({"Content-Length": str(len(body))} if body is not None else {}),
                    **(headers or {})}  # fmt: skip
            for key, value in told.items():
                if value:
                    con.putheader(key, value)
            con.endheaders(body)
            answer = con.getresponse()
            content = answer.read()
            kept = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, kept, content.decode("utf-8", "replace")
        except ConnectionError:
            return 0, {}, ""
        finally:
            con.close()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, told: Any, **headers: str) -> tuple[int, Any]:
        usual = {"Content-Type": "application/json", "X-Merian-Desk": self.secret,
                 "Origin": f"http://{self.host}"}  # fmt: skip
        changed = {key.replace("_", "-"): value for key, value in headers.items()}
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        status, _, text = self.ask("POST", path, body, usual | changed)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def stands(self, ask: str = "") -> dict[str, tuple[str, str, str]]:
        """By record: the identification that stands, the name, the state."""
        _, _, page = self.get(f"/?sort=id&ask={ask}")
        cards = re.findall(
            r'data-record="([^"]*)" data-stands="([^"]*)" data-name="([^"]*)" data-media="[^"]*" '
            r'data-state="([^"]*)"', page,
        )  # fmt: skip
        return {record: (key, name, state) for record, key, name, state in cards}

    def seen(self, *records: str) -> dict[str, str]:
        there = self.stands()
        return {record: there[record][0] for record in records}

    def kill(self) -> None:
        self.child.kill()
        self.close()

    def close(self) -> None:
        self.child.terminate()
        self.child.communicate(timeout=20)


@pytest.fixture(scope="session")
def open_desk() -> Callable[..., Any]:
    @contextmanager
    def opened(catalogue: Path, *options: str) -> Iterator[Server]:
        server = Server(catalogue, *options)
        try:
            yield server
        finally:
            server.close()

    return opened


@pytest.fixture(scope="module")
def shown(kept: Path, tmp_path_factory: pytest.TempPathFactory, open_desk: Any) -> Iterator[Server]:
    """A desk that the tests of a module ask."""
    museum = tmp_path_factory.mktemp("shown") / "museum"
    shutil.copytree(kept, museum)
    with open_desk(museum, "--by", "Anna") as server:
        yield server
