"""`robotrading health` asks a running service and says what it says, at once and in one line."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from robotrading.cli.exits import Exit
from robotrading.cli.health import ask
from robotrading.config.address import service_url
from robotrading.config.problems import InvalidConfig
from tests.cli.command import environment


@contextmanager
def answering(status: int, body: bytes, pause: float = 0.0) -> Iterator[str]:
    """A service on loopback; its URL."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(pause)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/health"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_who_is_able_to_trade_says_so() -> None:
    with answering(200, b'{"sentence": "able to trade"}') as url:
        assert ask(url, 5) == (True, "able to trade")


def test_who_is_not_able_says_why() -> None:
    with answering(503, b'{"sentence": "not able to trade: halted"}') as url:
        assert ask(url, 5) == (False, "not able to trade: halted")


@pytest.mark.parametrize("body", [b"pong", b"[]", b"\xff", b"", b'{"sentence": 5}'])
def test_the_status_alone_decides_and_another_programs_words_are_not_repeated(body: bytes) -> None:
    with answering(200, body) as url:
        assert ask(url, 5) == (True, "answered with HTTP status 200")


def test_who_does_not_answer_in_time_is_not_waited_for() -> None:
    with answering(200, b"{}", pause=0.5) as url:
        able, said = ask(url, 0.05)
    assert not able
    assert "timed out" in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/health", "nobody answers"),
        ("https://127.0.0.1/health", "not the URL of a service"),
        ("127.0.0.1:8080", "not the URL of a service"),
        ("http://[/health", "not a URL"),
        ("http://127.0.0.1:70000/health", "not a URL"),
        ("http://127.0.0.1:8080/h\u00e9alth", "not a URL"),
        (f"http://{'a' * 70}/health", "not a URL"),
    ],
)
def test_a_wrong_address_is_named_with_the_way_out(url: str, said: str) -> None:
    able, sentence = ask(url, 1)
    assert not able
    assert said in sentence
    assert url in sentence


@pytest.mark.parametrize(("status", "code"), [(200, Exit.OK), (503, Exit.FAILED)])
def test_the_exit_code_is_for_scripts_and_the_address_may_come_from_the_environment(
    status: int, code: Exit, tmp_path: Path
) -> None:
    with answering(status, b'{"sentence": "so \\u001b[31m it is"}') as url:
        done = subprocess.run(
            [sys.executable, "-m", "robotrading", "health"], capture_output=True, text=True, check=False, timeout=60,
            cwd=tmp_path, env={**environment(tmp_path), "ROBOTRADING_HEALTH_URL": url},
        )  # fmt: skip
    assert done.returncode == code
    assert done.stdout == "so \\x1b[31m it is\n"
    assert not done.stderr


def test_it_asks_where_the_configuration_says(tmp_path: Path) -> None:
    with answering(200, b'{"sentence": "able to trade"}') as url:
        port = url.split(":")[2].partition("/")[0]
        (tmp_path / "config.yaml").write_text(f"service: {{port: {port}}}\n", "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "robotrading", "health"], capture_output=True, text=True, check=False, timeout=60,
            cwd=tmp_path, env=environment(tmp_path),
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (Exit.OK, "able to trade\n", "")


@pytest.mark.parametrize(
    ("text", "env", "url"),
    [
        ("log:\n", {}, "http://127.0.0.1:8080/health"),
        ("service:\n", {}, "http://127.0.0.1:8080/health"),
        ("service: [8081]\n", {}, "http://127.0.0.1:8080/health"),
        ("service:\n  port: 8081\n", {}, "http://127.0.0.1:8081/health"),
        ("service:\n  port: null\n  host: 0.0.0.0\n", {}, "http://127.0.0.1:8080/health"),
        ("service:\n  host: 10.0.0.5\n", {}, "http://10.0.0.5:8080/health"),
        ("service:\n  host: 10.0.0.5\n", {"ROBOTRADING_HOST": "::"}, "http://[::1]:8080/health"),
    ],
)
def test_the_address_is_the_services_own(text: str, env: dict[str, str], url: str, tmp_path: Path) -> None:
    """On all addresses it listens to loopback too."""
    file = tmp_path / "config.yaml"
    file.write_text(text, "utf-8")
    assert service_url(file, env) == url


def test_without_a_file_it_is_the_usual_one_and_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert service_url(None, {}) == "http://127.0.0.1:8080/health"
    with pytest.raises(InvalidConfig, match="there is no such file"):
        service_url(tmp_path / "none.yaml", {})
