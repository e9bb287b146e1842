"""The desk in Chromium, by keyboard alone: reviewed, relabelled, undone, killed, exported."""

from __future__ import annotations

import threading
import time
import zipfile
from itertools import groupby

import pytest

from merian.bench.chromium import browser, chromium
from merian.catalogue import Catalogue
from merian.cli import main

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no Chromium here")

KEYS = {"Enter": ("Enter", 13, "\r"), "ArrowRight": ("ArrowRight", 39, ""),
        "ArrowDown": ("ArrowDown", 40, ""), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""),
        " ": ("Space", 32, " ")}  # fmt: skip
SHIFT = 8


class Hands:
    """Somebody at the keyboard."""

    def __init__(self, tab) -> None:
        self.tab = tab

    def open(self, address: str) -> None:
        self.tab.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && !!document.querySelector('#main')")

    def press(self, key: str, shift: bool = False) -> None:
        code, number, text = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        told = {"key": key, "code": code, "windowsVirtualKeyCode": number,
                "modifiers": SHIFT if shift else 0}  # fmt: skip
        self.tab.ask(
            "Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {})
        )
        self.tab.ask("Input.dispatchKeyEvent", type="keyUp", **told)

    def write(self, text: str) -> None:
        self.tab.ask("Input.insertText", text=text)

    def until(self, script: str, patience: float = 20.0):
        end = time.monotonic() + patience
        whole = f"document.readyState === 'complete' && ({script})"
        while not (found := self.tab.value(whole)):
            assert time.monotonic() < end, f"never so: {script}; {self.said()}"
            time.sleep(0.03)
        return found

    def said(self) -> str:
        return self.tab.value("document.getElementById('said').textContent") or ""

    def count(self, what: str) -> int:
        shown = self.tab.value(f"document.querySelector('[data-count=\"{what}\"]').textContent")
        return int(shown.replace(",", ""))

    def current(self) -> str:
        return self.tab.value("document.querySelector('.card.current').dataset.record")

    def states(self) -> dict[str, list[str]]:
        return dict(self.tab.value(
            "[...document.querySelectorAll('.card')].map(c => [c.dataset.record, "
            "[c.dataset.state, c.dataset.name]])"))  # fmt: skip


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(chromium(), tmp_path_factory.mktemp("profile")) as opened:
        opened.ask("Page.enable")
        opened.ask("Runtime.enable")
        yield opened


def human(museum) -> dict[str, tuple[str, str, str]]:
    """What the catalogue says that people have decided, by record."""
    with Catalogue.open(museum, read_only=True) as opened:
        rows = opened.query(
            "SELECT occurrenceID, scientificName, identifiedBy, identificationVerificationStatus "
            "FROM determination WHERE identifiedBy IN ('Anna', 'Bea')"
        ).fetch()
    return {str(record): (str(name), str(by), str(status)) for record, name, by, status in rows}


def test_ten_are_reviewed_by_keyboard_many_relabelled_and_nothing_is_lost(
    museum, open_desk, tab, tmp_path
):
    hands = Hands(tab)
    with open_desk(museum, "--by", "Anna") as server:
        hands.open(f"{server.address}?sort=id")
        for number in range(10):
            assert hands.current() == f"R{number:03}"
            hands.press("Enter")
            hands.until(
                f"document.querySelector('.card.current').dataset.record === 'R{number + 1:03}'"
            )
        assert hands.count("reviewed") == 10
        # Shift and two arrows choose three, which get another name by its first letters.
        hands.press("ArrowRight", shift=True)
        hands.press("ArrowRight", shift=True)
        hands.until("document.getElementById('chosen').textContent === '3'")
        hands.press("r")
        hands.until("document.activeElement.id === 'name'")
        hands.write("Apis m")
        hands.until("document.querySelectorAll('#names li').length === 1")
        hands.press("ArrowDown")
        hands.press("Enter")
        hands.until("document.querySelector('[data-count=reviewed]').textContent === '13'")
        named = ["R010", "R011", "R012"]
        assert all(hands.states()[r] == ["accepted", "Apis mellifera"] for r in named)
        # Undone, and given again by the key of the name that was given last.
        hands.press("z")
        hands.until("document.querySelector('[data-count=reviewed]').textContent === '10'")
        assert hands.states()["R010"][0] == "open"
        assert hands.current() == "R010"
        hands.press("ArrowRight", shift=True)
        hands.press("1")
        hands.until("document.querySelector('[data-count=reviewed]').textContent === '12'")
        hands.press("x")
        hands.until("document.querySelector('[data-count=dismissed]').textContent === '1'")
        hands.press("f")
        hands.until("document.querySelector('[data-count=\"look again\"]').textContent === '1'")
        server.kill()  # SIGKILL, between two decisions
        hands.press("Enter")
        hands.until("document.getElementById('said').classList.contains('bad')")
        assert "does not answer" in hands.said()
    found = human(museum)
    assert {r: v[2] for r, v in found.items()} == {
        **{f"R{n:03}": "ValidatedByHuman" for n in range(12)}, "R012": "dismissed"}  # fmt: skip
    assert found["R010"] == found["R011"] == ("Apis mellifera", "Anna", "ValidatedByHuman")
    with open_desk(museum, "--by", "Anna") as server:  # which takes nothing for granted
        states = {r: s for r, (_, _, s) in server.stands().items() if s != "open"}
    assert states == {**{f"R{n:03}": "accepted" for n in range(12)}, "R012": "dismissed",
                      "R013": "look again"}  # fmt: skip
    out = tmp_path / "museum.zip"
    assert main(["export", str(museum), "--format", "dwc-a", "-o", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        lines = [line for name in archive.namelist() if name.endswith((".txt", ".tsv", ".csv"))
                 for line in archive.read(name).decode().splitlines()]  # fmt: skip
    assert any("R010" in line and "Apis mellifera" in line and "Anna" in line for line in lines)


def test_a_server_that_is_killed_at_any_time_has_kept_what_it_has_answered(museum, open_desk):
    acknowledged: list[str] = []
    with open_desk(museum) as server:
        seen = server.seen(*(f"R{n:03}" for n in range(40)))

        def decide() -> None:
            for record, stands in seen.items():
                told = {"kind": "accept", "seen": {record: stands}, "by": "Bea"}
                status, _ = server.post("/decide", told)
                if status != 200:
                    return
                acknowledged.append(record)

        worker = threading.Thread(target=decide)
        worker.start()
        while len(acknowledged) < 5:
            time.sleep(0.01)
        server.child.kill()
        worker.join()
    found = human(museum)
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 1  # one may have been written and not answered
    with Catalogue.open(museum, read_only=True) as opened:  # with each identification its run
        assert (
            opened.query(
                "SELECT count(*) FROM identification i ANTI JOIN run r USING (runID) "
                "WHERE identifiedBy = 'Bea'"
            ).value()
            == 0
        )


def test_two_windows_one_is_told(shown, tab):
    hands = Hands(tab)
    server = shown
    hands.open(f"{server.address}?sort=id")
    told = {"kind": "accept", "seen": server.seen("R000"), "by": "Bea"}
    assert server.post("/decide", told)[0] == 200
    hands.press("u")
    hands.until("document.getElementById('said').classList.contains('bad')")
    assert "changed meanwhile" in hands.said()
    assert hands.states()["R000"] == ["accepted", "Osmia bicornis"]
    assert server.stands()["R000"][1:] == ("Osmia bicornis", "accepted")
    # Seen now, and decided on purpose.
    hands.press("u")
    hands.until("document.querySelector('.card').dataset.name === 'Osmia'")
    assert server.stands()["R000"][1:] == ("Osmia", "accepted")


def test_a_specimen_is_accepted_on_its_page_and_markup_is_not_run(shown, tab):
    hands = Hands(tab)
    server = shown
    hands.open(f"{server.address}specimen?record=R039")
    assert tab.value("document.querySelectorAll('main script, main [onerror]').length") == 0
    assert "<script>alert(1)</script>" in tab.value("document.body.textContent")
    hands.press("a")
    hands.until("document.querySelector('#subject')?.dataset.state === 'accepted'")
    hands.press("k")
    hands.until("document.querySelector('#subject')?.dataset.record === 'R038'")
    # A script in the page is not run, whoever writes it there.
    tab.value("(() => { const s = document.createElement('script'); s.textContent = "
              "'window.ran = 1'; document.body.append(s); })()")  # fmt: skip
    assert tab.value("window.ran === undefined")


def test_a_box_is_drawn_on_the_map_by_keys_and_by_hand(shown, tab):
    hands, server = Hands(tab), shown
    hands.open(f"{server.address}map?ask=country%3AChad")
    sides = "['south', 'west', 'north', 'east'].map(s => Number(document.getElementById(s).value))"
    tab.value("document.getElementById('world').focus()")
    hands.press("ArrowRight")  # a box in the middle, one step to the east
    first = hands.until(f"document.getElementById('south').value && {sides}")
    hands.press("ArrowRight", shift=True)
    south, west, north, east = tab.value(sides)
    assert [south, west, north] == first[:3]
    assert east > first[3]
    frame = tab.value(
        "(() => { const b = document.querySelector('#world svg').getBoundingClientRect(); "
        "return [b.left, b.top, b.width, b.height]; })()"
    )
    for kind, share in (("mousePressed", 0.02), ("mouseMoved", 0.5), ("mouseMoved", 0.98),
                        ("mouseReleased", 0.98)):  # fmt: skip
        tab.ask("Input.dispatchMouseEvent", type=kind, x=frame[0] + share * frame[2],
                y=frame[1] + share * frame[3], button="left", buttons=1, clickCount=1)  # fmt: skip
    hands.until(f"{sides}[2] - {sides}[0] > 5")
    assert tab.value("document.querySelector('.box').getAttribute('visibility')") == "visible"
    hands.press("Enter")  # from the map: what is in the box
    hands.until("location.pathname === '/' && !!document.querySelector('#grid')")
    assert tab.value("document.getElementById('ask').value").startswith("country:Chad within:")
    states = hands.states()
    assert set(states) == {f"R{n:03}" for n in range(1, 40, 2)}
    # Typed, and narrower.
    hands.open(f"{server.address}?south=48.05&west=11&north=48.35&east=12&sort=id")
    assert set(hands.states()) == {"R001", "R002", "R003"}


def contrast(one: list[float], other: list[float]) -> float:
    def light(colour: list[float]) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
                 for c in (v / 255 for v in colour[:3])]  # fmt: skip
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


LOOK = """
(() => { const out = [], numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const texts = 'a, p, b, span, small, label, button, h1, h2, dt, dd, i, kbd, td, th';
for (const e of document.querySelectorAll(texts)) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!e.checkVisibility() || !own) continue;
  let at = e, ground = null;
  while (at && !ground) {
    const c = numbers(getComputedStyle(at).backgroundColor);
    if (c.length < 4 || c[3] > .99) ground = c;
    at = at.parentElement;
  }
  out.push([e.textContent.trim().slice(0, 30), numbers(getComputedStyle(e).color),
            ground || [255, 255, 255]]);
} return out; })()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_reached(shown, tab, scheme):
    hands, server = Hands(tab), shown
    tab.ask(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    try:
        for path in (
            "?sort=clash&ask=clash:yes",
            "specimen?record=R003",
            "decided",
            "clusters",
            "map?ask=within:48,5,51,20",
            "learn",
        ):
            hands.open(server.address + path)
            for text, ink, ground in tab.value(LOOK):
                assert contrast(ink, ground) >= 4.5, (path, scheme, text)
            # All that can be filled in has a name, and no id is there twice.
            assert tab.value(
                "[...document.querySelectorAll('input:not([type=hidden]), select')]"
                ".every(e => e.labels.length > 0)"
            )
            assert tab.value("[...document.querySelectorAll('button, a')].every(e => "
                             "e.textContent.trim() || e.getAttribute('aria-label') "
                             "|| e.querySelector('img[alt]:not([alt=\"\"])'))")  # fmt: skip
            assert tab.value(
                "[...document.querySelectorAll('[id]')].length === "
                "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size"
            )
            assert tab.value("!!document.querySelector('main h1')")
        # From the top: past the links, to the grid once, to what is decided.
        hands.open(server.address + "?sort=id")
        hands.press("Tab")
        assert tab.value("document.activeElement.className") == "skip"
        order = []
        for _ in range(40):
            hands.press("Tab")
            order.append(tab.value(
                "(() => { const e = document.activeElement; return e.closest('header') ? 'top' "
                ": e.closest('#tree') ? 'tree' : e.closest('.asking') ? 'ask' "
                ": e.closest('#grid') ? 'grid' : e.closest('#decide') ? 'decide' : ''; })()"
            ))  # fmt: skip
        kept = [one for one, _ in groupby(filter(None, order))]
        assert kept[:5] == ["top", "tree", "ask", "grid", "decide"]
        assert order.count("grid") == 1
        # On the map: past the links to the box, then its fields, then what they do.
        hands.open(server.address + "map")
        tab.value("document.querySelector('main h1').focus()")
        order = []
        for _ in range(24):
            hands.press("Tab")
            order.append(tab.value("document.activeElement.id || document.activeElement.tagName"))
        at = order.index("world")
        assert order[at : at + 6] == ["world", "south", "west", "north", "east", "BUTTON"]
        # A phone: nothing sticks out.
        tab.ask("Emulation.setDeviceMetricsOverride", width=375, height=800,
                deviceScaleFactor=1, mobile=True)  # fmt: skip
        for path in ("", "specimen?record=R039", "decided", "clusters", "map", "learn"):
            hands.open(server.address + path)
            wide = tab.value("document.documentElement.scrollWidth")
            assert wide <= 375, (path, wide)
        tab.ask("Emulation.clearDeviceMetricsOverride")
        # On paper: what is shown and not what is pressed, dark on white whatever the screen is.
        tab.ask(
            "Emulation.setEmulatedMedia", media="print",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )  # fmt: skip
        for path in ("?sort=id", "specimen?record=R003", "decided", "map"):
            hands.open(server.address + path)
            pressed = "[...document.querySelectorAll('#decide, nav, .asking, [data-do]')]"
            assert not tab.value(f"{pressed}.some(e => e.checkVisibility())")
            assert tab.value("getComputedStyle(document.body).backgroundColor") == (
                "rgb(255, 255, 255)"
            )
            for text, ink, ground in tab.value(LOOK):
                assert contrast(ink, ground) >= 4.5, (path, "print", text)
    finally:
        tab.ask("Emulation.clearDeviceMetricsOverride")
        tab.ask("Emulation.setEmulatedMedia", media="", features=[])
