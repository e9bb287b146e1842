"""Who may ask the desk: hostile hosts, origins, tokens, names and paths."""

from __future__ import annotations

import html

import pytest

from merian.catalogue import Catalogue
from merian.desk.crops import Crops
from merian.desk.desk import Desk
from merian.desk.specimen import specimen_of
from merian.pictures import BadPictureError
from tests.desk.conftest import HOSTILE


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "user@127.0.0.1", "192.168.0.7",
     "[::1", "", "127.0.0.1/evil"],
)  # fmt: skip
def test_a_foreign_name_that_leads_here_is_refused(shown, host):
    status, _, text = shown.get("/", Host=host)
    assert status in (400, 421)
    assert "R000" not in text


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}"])
def test_its_own_names_are_answered(shown, host):
    assert shown.get("/", Host=host.format(port=shown.port))[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file:///home/x.html"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"X_Merian_Desk": ""}, 403),
        ({"X_Merian_Desk": "guessed"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
    ids=str,
)
def test_what_another_site_sends_changes_nothing(shown, headers, status):
    before = shown.stands()
    told = {"kind": "accept", "seen": shown.seen("R000"), "by": "Eve"}
    assert shown.post("/decide", told, **headers)[0] == status
    assert shown.stands() == before


def test_a_port_next_door_is_another_site(shown):
    told = {"kind": "accept", "seen": shown.seen("R000"), "by": "Eve"}
    assert shown.post("/decide", told, Origin=f"http://127.0.0.1:{shown.port + 1}")[0] == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(shown, method):
    assert shown.ask(method, "/decide", b"{}")[0] == 405


def test_nothing_is_changed_by_looking(shown):
    for path in ("/decide", "/undo", "/cluster"):
        assert shown.get(path)[0] == 405


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b'{"kind": "accept"}', b'{"kind": "accept", "seen": ["R000"]}',
     b'{"kind": "accept", "seen": {"R000": 1}}', b'{"kind": "drop", "seen": {"R000": ""}}',
     b'{"kind": "accept", "seen": {"nobody": ""}}', b"[" * 100_000, b"\xff\xfe"],
    ids=range(11),
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(shown, body):
    status, told = shown.post("/decide", body)
    assert status == 400
    assert told["fault"]


def test_a_body_that_is_too_large_is_refused(shown):
    assert shown.post("/decide", b" " * ((4 << 20) + 1))[0] in (0, 413)
    assert shown.get("/")[0] == 200


def test_every_page_forbids_what_is_not_its_own(shown):
    for path in ("/", "/decided", "/clusters", "/specimen?record=R001", "/nowhere", "/?ask=x:y"):
        _, headers, _ = shown.get(path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    ["/static/../desk.py", "/static/..%2fdesk.py", "/static/%2e%2e/%2e%2e/errors.py",
     "/static//etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/catalogue.duckdb", "/static/",
     "/thumb?media=/etc/passwd", "/thumb?media=../../merian.json", "/large?media=/etc/hostname",
     "/thumb", "/large?media=%00"],
)  # fmt: skip
def test_no_path_leads_out(shown, path):
    status, _, text = shown.get(path)
    assert status in (400, 404)
    assert "root:" not in text
    assert "import" not in text


def test_a_file_that_is_no_picture_never_leaves(museum, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the combination is 1234")
    with Catalogue.open(museum) as opened:
        opened.held().execute(
            "UPDATE media SET accessURI = ? WHERE occurrenceID = 'R001'", [str(secret)]
        ).fetchall()
        (media,) = (
            opened.held()
            .execute("SELECT mediaID FROM media WHERE occurrenceID = 'R001'")
            .fetchone()
        )
        desk = Desk(opened)
        crops = Crops(desk)
        for make in (crops.thumbnail, crops.large):
            with pytest.raises(BadPictureError):
                make(media)
        plate = specimen_of(desk, crops, "R001").plates[0]
    assert "no picture" in plate.fault
    assert str(tmp_path) not in plate.fault


def test_markup_in_data_stays_text(shown):
    record = "R039"
    assert shown.post("/decide", {"kind": "look", "seen": shown.seen(record), "by": HOSTILE[:90],
                                  "why": HOSTILE})[0] == 200  # fmt: skip
    for path in (f"/specimen?record={record}", "/decided", "/?ask=R039", "/?ask=" + "%3Cb%3E",
                 "/?rank=genus&name=%3Cscript%3E&sort=id", "/?pin=%22%3E%3Cscript%3E"):  # fmt: skip
        _, _, page = shown.get(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<script>" not in page.replace('<script src="/static/desk.js" defer>', "")
    assert HOSTILE in html.unescape(shown.get(f"/specimen?record={record}")[2])


def test_the_script_never_reads_texts_as_markup(shown):
    _, _, script = shown.get("/static/desk.js")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script


def test_nothing_is_loaded_from_elsewhere(shown):
    for path in ("/", "/specimen?record=R001", "/static/desk.css", "/static/desk.js"):
        _, _, text = shown.get(path)
        assert "https://" not in text
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "") or path.endswith(".js")


def test_for_other_machines_the_address_holds_a_token(museum, open_desk):
    with open_desk(museum, "--host", "0.0.0.0") as server:
        assert len(server.token) >= 20
        assert server.get("/")[0] == 403
        assert server.get("/?token=guessed")[0] == 403
        assert server.get("/thumb?media=x")[0] == 403
        status, headers, _ = server.get(f"/?ask=R00&token={server.token}")
        assert status == 303
        assert headers["location"] == "/?ask=R00"
        assert "HttpOnly" in headers["set-cookie"]
        assert "SameSite=Strict" in headers["set-cookie"]
        server.cookie = headers["set-cookie"].partition(";")[0]
        assert server.get("/")[0] == 200
        assert server.get("/", Host="evil.example")[0] == 421
        status, headers, _ = server.get(f"//evil.example/?token={server.token}", Cookie="x=y")
        assert status in (303, 404)
        assert not headers.get("location", "/").startswith("//")


def test_this_machine_alone_needs_none(shown):
    assert shown.token == ""
    assert shown.address == f"http://127.0.0.1:{shown.port}/"
