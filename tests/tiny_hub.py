"""A stand-in for the Hugging Face hub, on this machine."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVED = re.compile(rf"/(?:datasets/)?small/opt/resolve/(?:main|{COMMIT})/([^/]+)")


class Hub(BaseHTTPRequestHandler):
    """A stand-in for the two kinds of address that a client asks: a model's description, and its files."""

    folder: Path
    files: tuple[str, ...]
    asked: list[str]
    broken_off: str = ""
    """The file whose download ends in the middle."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), "X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith(("/api/models/small/opt", "/api/datasets/small/opt")):
            siblings = [{"rfilename": name} for name in self.files]
            known = {"id": "small/opt", "sha": COMMIT, "siblings": siblings, "cardData": {"license": "mit"}}
            self.answer(200, json.dumps(known).encode(), Content_Type="application/json")
        elif path.startswith("/api/models/gated/opt"):
            self.answer(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="accept the terms")
        elif (named := RESOLVED.fullmatch(path)) and named[1] in self.files:
            content = (self.folder / named[1]).read_bytes()
            length, sent = str(len(content)), content[:100] if named[1] == self.broken_off else content
            self.answer(200, sent, ETag=f'"{hashlib.sha256(content).hexdigest()}"', Content_Length=length)
        else:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

    def do_HEAD(self) -> None:
        self.do_GET()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """A server of its own with the handler, on any free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def own(saved: Path) -> type[Hub]:
    """A hub that holds one model, "small/opt", and a pickle that nobody should fetch."""
    (saved / "pytorch_model.bin").write_bytes(b"a pickle that nobody should fetch")
    names = tuple(sorted(path.name for path in saved.iterdir()))
    return type("OwnHub", (Hub,), {"folder": saved, "files": names, "asked": []})
