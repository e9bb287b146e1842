"""Who may ask the desk, and what a page may do: before any question reaches it.

A desk listens on this machine alone unless told otherwise, and still any page of the web that is
open in the same browser could send it requests. So a request must name the desk by an address that
is its own (a foreign name that leads here is refused: DNS rebinding), what changes something must
come from a page of the desk itself (Origin, and a secret that only its pages hold), and no page may
load or run anything that is not the desk's. Where it listens for other machines, the address holds
a token, which becomes a cookie.

References: OWASP, Cross-Site Request Forgery Prevention; W3C, Content Security Policy Level 3.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

__all__ = ["COOKIE", "HEADER", "LARGEST", "Guard", "is_loopback"]

COOKIE = "merian_desk"
HEADER = "x-merian-desk"
LARGEST = 4 << 20  # bytes of a body

_SAFE = ("GET", "HEAD")
_HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
     b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)  # fmt: skip

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Return whether an address is that of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """What stands before the desk.

    Attributes:
        secret: What a page has to say to change something.
        token: What an address has to hold; "" where the desk is for this machine alone.
    """

    def __init__(self, app: App, names: Collection[str], token: str = "", secret: str = "") -> None:
        self._app, self._names, self.token = app, frozenset(names), token
        self.secret = secret or secrets.token_urlsafe(24)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or let the desk answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1")
                   for key, value in scope["headers"]}  # fmt: skip
        cookie = b""
        if refusal := self._refused(scope, headers):
            await _answer(send, *refusal)
            return
        if self.token and not _same(_cookie(headers.get("cookie", "")), self.token):
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = dict(query).get("token", "")
            if scope["method"] not in _SAFE or not _same(given, self.token):
                await _answer(send, 403, "the address lacks the token that this desk was opened "
                              "with; `merian review` printed it")  # fmt: skip
                return
            rest = urlencode([(key, value) for key, value in query if key != "token"])
            # A path of two slashes would lead to another machine.
            where = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
            cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/".encode()
            await _answer(send, 303, "", (b"location", _ascii(where)), (b"set-cookie", cookie))
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {key.lower() for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"], *_HEADERS,
                    *([] if b"cache-control" in names else [(b"cache-control", b"no-store")]),
                ]  # fmt: skip
            await send(message)

        await self._app(scope, _bounded(receive), guarded)

    def _refused(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return the status and the reason where a request is none of ours."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 421, "this desk is not called so; open the address that `merian review` printed"
        if scope["method"] in _SAFE:
            return None
        if scope["method"] != "POST":
            return 405, "only GET, HEAD and POST are answered"
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() != host.lower():
            return 403, "refused: this did not come from a page of the desk"
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "refused: this did not come from a page of the desk"
        if not headers.get("content-type", "").lower().startswith("application/json"):
            return 415, "refused: JSON is expected"
        if not _same(headers.get(HEADER, ""), self.secret):
            return 403, "refused: this page was made by another desk; load it again"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST:
            return 413, "refused: too large"
        return None

    def _is_ours(self, host: str) -> bool:
        """Return whether a Host header means this desk: a name of its own, or a bare address."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if not host or "@" in host or "/" in host:
            return False
        if name in self._names or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # A name is what a foreign page could point here; an address it cannot.
        return address.is_loopback or bool(self.token)


def _bounded(receive: Receive) -> Receive:
    """Return a `receive` that ends a body which is larger than it said."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST:
            return {"type": "http.disconnect"}
        return message

    return bounded


def _cookie(header: str) -> str:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return next((value for name, _, value in pairs if name == COOKIE), "")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _ascii(text: str) -> bytes:
    from urllib.parse import quote  # noqa: PLC0415 - for one redirect of a visit

    return quote(text, safe="/?=&%+-._~").encode("ascii")


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = (text + "\n").encode() if text else b""
    await send({
        "type": "http.response.start", "status": status,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                    (b"content-length", str(len(body)).encode()), *_HEADERS, *headers],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": body})
