"""A real HTTP server on loopback that takes pushes, and treats them as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class PushBox:
    """What came (path, headers, body); `status` is the answer, 0 for silence, -1 for one byte now and then."""

    status: int = 200
    answer: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, _, body in self.taken]


@contextmanager
def taking_pushes(box: PushBox) -> Iterator[PushBox]:
    """The server in a thread of its own, on a port the system chose."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            box.taken.append((self.path, dict(self.headers), body))
            if box.status > 0:
                self.send_response(box.status)
                for name, value in {"Content-Length": str(len(box.answer)), **box.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(box.answer)
            elif box.status == 0:
                over.wait(30)
            else:
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
                    while not over.wait(0.2):
                        self.wfile.write(b"x")

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    box.port = server.server_address[1]
    thread.start()
    try:
        yield box
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
