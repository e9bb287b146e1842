"""Chromium without a window, moved by a script, for what only a real browser can show.

It is spoken to over its own websocket (`--remote-debugging-port`), so that nothing has to be
installed beside it.

References: RFC 6455; Chrome DevTools Protocol, chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from merian.errors import InputError

__all__ = ["Tab", "browser", "chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_WAIT = 120.0  # seconds


def chromium() -> str | None:
    """Return the program, or None where there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def browser(program: str, profile: Path, size: tuple[int, int] = (1400, 900)) -> Iterator[Tab]:
    """Start Chromium and open its first tab; it ends with the block."""
    child = subprocess.Popen(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         "--remote-allow-origins=*", f"--window-size={size[0]},{size[1]}",
         f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told, begin = profile / "DevToolsActivePort", time.monotonic()
        while not told.is_file() or "\n" not in told.read_text(encoding="ascii"):
            if child.poll() is not None or time.monotonic() - begin > _WAIT:
                raise InputError(f"{program}: did not start")
            time.sleep(0.1)
        port = int(told.read_text(encoding="ascii").split()[0])
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        with contextlib.closing(Tab(port, tabs[0]["webSocketDebuggerUrl"])) as tab:
            yield tab
    finally:
        child.terminate()
        child.wait()


class Tab:
    """A websocket to a tab: one question at a time, each with its answer."""

    def __init__(self, port: int, address: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_WAIT)
        self._number, self._read = 0, b""
        path = "/" + address.split("/", 3)[3]
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._read:
            self._read += self._socket.recv(4096)
        head, self._read = self._read.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise InputError("Chromium refused a websocket")

    def close(self) -> None:
        """Let go of the tab."""
        self._socket.close()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while True:
            told = json.loads(self._message())
            if told.get("id") == self._number:
                if "error" in told:
                    raise InputError(f"Chromium: {method}: {told['error']['message']}")
                return dict(told["result"])

    def value(self, script: str) -> Any:
        """Return the value of an expression on the page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in told:
            return None
        return told["result"].get("value")

    def _send(self, what: dict[str, Any]) -> None:
        content, mask = json.dumps(what).encode(), os.urandom(4)
        size = len(content)
        head = bytes([0x81]) + (
            bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack(">H", size)
        )
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(content))
        self._socket.sendall(head + mask + masked)

    def _message(self) -> bytes:
        """Return the next message; a server's frames are not masked."""
        found = b""
        while True:
            first, size = self._take(2)
            size &= 127
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            found += self._take(size)
            if first & 0x80:
                return found

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            more = self._socket.recv(1 << 16)
            if not more:
                raise InputError("Chromium ended while it was asked")
            self._read += more
        found, self._read = self._read[:size], self._read[size:]
        return found
