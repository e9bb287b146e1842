"""The addresses of the desk, and what each answers.

Pages and pictures are asked for by GET and change nothing. What changes something is asked for by
POST with JSON, and answered when it is on the disk. A fault of the user's is one sentence with
status 400; 409 where something else stands by now than what was seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from merian import __version__
from merian.catalogue.reviewed import Changed, Decision, StaleError
from merian.catalogue.schema import RANKS
from merian.desk.asking import within, without
from merian.desk.board import BOARD
from merian.desk.browsing import (
    PAGE,
    SORTS,
    Page,
    View,
    lineage,
    opened_in,
    page_of,
    path_in,
    paths_in,
    progress,
    tree_of,
    view_of,
)
from merian.desk.crops import Crops
from merian.desk.desk import Desk
from merian.desk.exported import table_of
from merian.desk.grouped import clusters_of, decide_cluster
from merian.desk.learning import Learning
from merian.desk.naming import complete, named, recent
from merian.desk.specimen import specimen_of
from merian.desk.traits import move
from merian.desk.where import dots_of, month_of, months_of, places_of
from merian.errors import InputError, MerianError
from merian.pictures import BadPictureError
from merian.report.world_map import world_map

__all__ = ["answers_of", "application"]

Answer = Callable[[Mapping[str, str]], Response]

_SCRIPT = "text/javascript; charset=utf-8"
_STATIC = {"desk.css": "text/css; charset=utf-8", "desk.js": _SCRIPT, "box.js": _SCRIPT,
           "learn.js": _SCRIPT, "ends.js": _SCRIPT,
           "icon.svg": "image/svg+xml"}  # fmt: skip
_DECIDED = 200  # decisions that are listed
_CHANGES = 1_000  # changes that are


def application(desk: Desk, secret: str, learning: Learning | None = None) -> Starlette:
    """Return the desk as an application.

    Args:
        desk: What is shown.
        secret: What a page has to say to change something; see `merian.desk.guard`.
        learning: What learns from what is decided.
    """
    acts, learns = _Acts(desk), learning or Learning(desk, [], None)
    done = {"/decide": acts.decide, "/undo": acts.undo, "/cluster": acts.cluster,
            "/measure": acts.measure,
            "/learn": lambda told: JSONResponse(learns.act(told))}  # fmt: skip
    return Starlette(routes=[
        *(_get(path, answer) for path, answer in answers_of(desk, secret, learns).items()),
        *(_post(path, answer, desk) for path, answer in done.items()),
        Route("/static/{name}", _static, methods=["GET"]),
    ])  # fmt: skip


def answers_of(desk: Desk, secret: str = "", learning: Learning | None = None) -> dict[str, Answer]:
    """Return what answers each address that only shows something, as a function of its query."""
    shown = _Pages(desk, secret, learning or Learning(desk, [], None))
    return {
        "/": shown.grid, "/specimen": shown.specimen, "/clusters": shown.clusters,
        "/decided": shown.decided, "/names": shown.names, "/thumb": shown.thumbnail,
        "/large": shown.large, "/map": shown.map, "/export": shown.export,
        "/learn": shown.learn,
    }  # fmt: skip


class _Pages:
    """What is shown."""

    def __init__(self, desk: Desk, secret: str, learning: Learning) -> None:
        self._desk, self._secret, self._crops = desk, secret, Crops(desk)
        self._learning = learning

    def _page(self, template: str, view: View | None = None, **told: Any) -> Response:
        desk = self._desk
        text = _templates().get_template(template).render(
            desk=desk, view=view or view_of({}, desk), secret=self._secret,
            progress=progress(desk), version=__version__, title=desk.catalogue.path.name, **told,
        )  # fmt: skip
        return HTMLResponse(text)

    def grid(self, query: Mapping[str, str]) -> Response:
        """Answer a page of records; the next of its records alone where a part is asked for."""
        desk, fault = self._desk, ""
        try:
            view = view_of(query, desk)
            found = page_of(desk, view)
        except InputError as error:
            fault, view = str(error), View(ask=query.get("ask", "")[:600], sort="id")
            found = Page([], 0)
        following = view.start + PAGE
        more = view.address(start=following) if following < found.count else ""
        told: dict[str, Any] = {"rows": found.rows, "count": found.count, "more": more}
        if query.get("part"):
            return self._page("cards.html.j2", view, **told)
        tree = tree_of(desk)
        path = path_in(tree, view.rank, view.name, view.above) if view.rank in RANKS else []
        several = path and path[-1].above  # others are called so
        return self._page(
            "grid.html.j2", view, tree=tree, opened=opened_in(tree, path), recent=recent(desk),
            here=path[-1] if path and view.above else None,
            others=paths_in(tree, view.rank, view.name) if several else [],
            sorts=SORTS, unnamed=desk.records - tree.count, fault=fault, **told,
        )  # fmt: skip

    def specimen(self, query: Mapping[str, str]) -> Response:
        """Answer the page of one record."""
        desk = self._desk
        found = specimen_of(desk, self._crops, query.get("record", ""))
        if found is None:
            lost = self._page("fault.html.j2", fault="The catalogue has no such record.")
            lost.status_code = 404
            return lost
        row = found.row
        north, east = row["decimalLatitude"], row["decimalLongitude"]
        placed = north is not None and east is not None
        named = placed and row["scientificName"]
        others, counts = places_of(desk, row) if named else ([], [])
        return self._page(
            "specimen.html.j2", one=found, recent=recent(desk), others=sum(counts),
            map=world_map("Where it was found", [(north, east)]) if placed else "",
            around=world_map("Where its name was found", others, counts=counts, identity="others")
            if others else "",
            months=months_of(desk, row), month=month_of(row["eventDate"]),
        )  # fmt: skip

    def map(self, query: Mapping[str, str]) -> Response:
        """Answer the places of what is asked for, to draw a box among them."""
        view = view_of(query, self._desk)
        held = view.condition(self._desk)
        places, counts = dots_of(self._desk, held)
        drawn = world_map("Where these records were found", places, counts=counts)
        count = self._desk.value(f"SELECT count(*) FROM {BOARD} WHERE {held.sql}", held.values)
        return self._page(
            "map.html.j2", view, map=drawn, placed=sum(counts), count=count, box=within(view.ask),
            unboxed=without("within", view.ask),
        )  # fmt: skip

    def export(self, query: Mapping[str, str]) -> Response:
        """Answer a table of what is asked for, as it is read."""
        what = query.get("what", "records")
        lines = table_of(self._desk, view_of(query, self._desk), what)
        name = quote(f"{self._desk.catalogue.path.name}-{what}.tsv", safe="")
        told = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        return StreamingResponse(lines, 200, told, "text/tab-separated-values; charset=utf-8")

    def clusters(self, _: Mapping[str, str]) -> Response:
        """Answer the clusters of the unnamed."""
        told, history, count = clusters_of(self._desk)
        return self._page("clusters.html.j2", clusters=told, history=history, count=count)

    def decided(self, _: Mapping[str, str]) -> Response:
        """Answer what was decided."""
        return self._page("decided.html.j2", decisions=self._desk.decided(_DECIDED), most=_DECIDED)

    def learn(self, query: Mapping[str, str]) -> Response:
        """Answer what libraries would say with the corrections, or how far that is."""
        if query.get("part"):
            return JSONResponse(self._learning.told())
        return self._page("learn.html.j2", learning=self._learning, most=_CHANGES)

    def names(self, query: Mapping[str, str]) -> Response:
        """Answer names that begin as what was typed."""
        return JSONResponse({"names": complete(self._desk, query.get("q", "")[:200])})

    def thumbnail(self, query: Mapping[str, str]) -> Response:
        """Answer a small picture, by its mediaID."""
        make = self._crops.thumbnail
        return _picture(lambda: make(query.get("media", "")), "private, max-age=86400")

    def large(self, query: Mapping[str, str]) -> Response:
        """Answer a large picture, by its mediaID."""
        around = bool(query.get("around"))
        make = self._crops.large
        return _picture(lambda: make(query.get("media", ""), around=around), "no-store")


class _Acts:
    """What is done."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _by(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("by") or self._desk.by), str(told.get("why") or "")[:1000]

    def decide(self, told: dict[str, Any]) -> Response:
        """Write a decision."""
        desk, seen = self._desk, told.get("seen")
        if not isinstance(seen, dict) or not all(isinstance(one, str) for one in seen.values()):
            raise InputError("expected the records and what was seen of each")
        says = None
        if told.get("kind") == "name":
            says = named(desk, *(str(told.get(key) or "") for key in ("name", "rank", "above")))
        by, why = self._by(told)
        done = desk.decide(Decision(str(told.get("kind")), seen, by, why, says))
        return _changed(desk, done)

    def undo(self, told: dict[str, Any]) -> Response:
        """Undo a decision."""
        by, _ = self._by(told)
        return _changed(self._desk, self._desk.undo(str(told.get("run") or ""), by))

    def cluster(self, told: dict[str, Any]) -> Response:
        """Merge or promote clusters, or undo that."""
        return JSONResponse(decide_cluster(self._desk, told, *self._by(told)))

    def measure(self, told: dict[str, Any]) -> Response:
        """Measure traits anew between end points that were moved."""
        return JSONResponse(move(self._desk, told, *self._by(told)))


# -- what every address does ----------------------------------------------------------------------


def _get(path: str, answer: Callable[[Mapping[str, str]], Response]) -> Route:
    async def endpoint(request: Request) -> Response:
        query = dict(request.query_params)
        try:
            return await run_in_threadpool(answer, query)
        except MerianError as error:
            return _text(str(error), 400)

    return Route(path, endpoint, methods=["GET"])


def _post(path: str, answer: Callable[[dict[str, Any]], Response], desk: Desk) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            told = json.loads(await request.body())
        except (ValueError, RecursionError):
            return JSONResponse({"fault": "expected JSON"}, 400)
        except ClientDisconnect:
            return JSONResponse({"fault": "too large"}, 413)
        if not isinstance(told, dict):
            return JSONResponse({"fault": "expected JSON with names"}, 400)
        try:
            return await run_in_threadpool(answer, told)
        except StaleError as error:
            cards = await run_in_threadpool(_cards, desk, [*error.stands])
            return JSONResponse({"fault": str(error), "cards": cards}, 409)
        except MerianError as error:
            return JSONResponse({"fault": str(error)}, 400)

    return Route(path, endpoint, methods=["POST"])


def _picture(make: Callable[[], bytes], caching: str) -> Response:
    try:
        return Response(make(), 200, {"cache-control": caching}, "image/jpeg")
    except BadPictureError:
        return Response(b"", 404, media_type="image/jpeg")


async def _static(request: Request) -> Response:
    """Answer one of the few files of the page; a name that is none of them is not looked for."""
    name = request.path_params["name"]
    if name not in _STATIC:
        return _text("there is no such file", 404)
    return Response(_file(name), 200, {"cache-control": "no-cache"}, _STATIC[name])


@cache
def _file(name: str) -> bytes:
    return (Path(__file__).with_name("static") / name).read_bytes()


def _text(text: str, status: int) -> Response:
    return Response(text + "\n", status, media_type="text/plain; charset=utf-8")


def _changed(desk: Desk, done: Changed) -> Response:
    """Return what a decision has made of its records."""
    return JSONResponse({"run": done.run, "cards": _cards(desk, [*done.stands]),
                         "progress": progress(desk), "recent": recent(desk)})  # fmt: skip


def _cards(desk: Desk, records: list[str]) -> list[dict[str, Any]]:
    """Return what a card shows of each record."""
    return [
        {"record": row["record"], "stands": row["stands"] or "",
         "name": row["scientificName"] or "", "qualifier": row["identificationQualifier"] or "",
         "rank": row["taxonRank"] or "",
         "state": row["state"], "by": row["identifiedBy"] or "", "agent": row["agentType"] or ""}
        for row in desk.cards(records)
    ]  # fmt: skip


# -- what templates need --------------------------------------------------------------------------


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merian.desk", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda value: f"{100 * value:.0f} %"
    environment.filters["when"] = _when
    environment.globals["opened_id"] = id
    environment.globals["lineage"] = lineage
    environment.globals["link"] = lambda path, **told: f"{path}?{urlencode(told)}"
    return environment


def _when(value: object) -> str:
    """Return a time as people read it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    text = str(value or "")
    return text[:16].replace("T", " ") if len(text) > 19 and text.endswith("Z") else text
