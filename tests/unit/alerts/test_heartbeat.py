"""Silence is an alarm: the address is asked while all is well, and never named."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from robotrading.domain.messages import Waiting
from robotrading.service.alerts import heartbeat
from robotrading.service.alerts.heartbeat import Heartbeat, all_well, ask
from robotrading.service.alerts.settings import AlertSettings
from tests.service.test_health import NOW, WELL

SECRET = "a-secret-in-the-path"


@dataclass
class Listener:
    """A service that waits for beats, on loopback."""

    port: int
    heard: list[str] = field(default_factory=list)
    answer: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    class Hears(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.heard.append(self.path)
            self.send_response(here.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    here = Listener(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


async def test_it_beats_while_it_runs(listener: Listener) -> None:
    running = asyncio.create_task(Heartbeat(listener.url, 0.01, lambda: True).run())
    async with asyncio.timeout(10):
        while len(listener.heard) < 3:  # noqa: ASYNC110  heard in another thread
            await asyncio.sleep(0.01)
    running.cancel()
    assert set(listener.heard) == {f"/{SECRET}"}


async def test_it_holds_its_beat_while_a_critical_word_reaches_nobody(listener: Listener) -> None:
    well = [False, True]
    beating = Heartbeat(listener.url, 1.0, lambda: well.pop(0))
    await beating.beat()
    assert (len(listener.heard), beating.trouble) == (0, "it is held back: a critical alert has reached nobody")
    await beating.beat()
    assert (len(listener.heard), beating.trouble) == (1, "")


async def test_trouble_is_one_line_at_each_change_and_never_the_address(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    listener.answer = 500
    beating = Heartbeat(listener.url, 1.0, lambda: True)
    with caplog.at_level(logging.INFO):
        for answer in (500, 500, 404, 200, 200):
            listener.answer = answer
            await beating.beat()
    assert caplog.messages == ["heartbeat: answered 500", "heartbeat: answered 404", "heartbeat: it is heard again"]
    assert SECRET not in caplog.text + repr(beating)


def test_an_address_that_cannot_be_asked_is_words_of_our_own() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        said = ask(f"http://127.0.0.1:{nobody.getsockname()[1]}/{SECRET}")
    assert said == "not reached (ConnectionRefusedError)"
    assert ask(f"file:///etc/hostname?{SECRET}") == "the address is none of http or https"
    assert ask(f"http://127.0.0.1:no-port/{SECRET}") == "not reached (InvalidURL)"


async def test_who_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        beating = Heartbeat(f"http://127.0.0.1:{mute.getsockname()[1]}/", 1.0, lambda: True)
        await beating.beat()
    assert beating.trouble == "not reached (TimeoutError)"


async def test_who_answers_a_byte_at_a_time_holds_one_thread_and_none_that_others_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each byte begins the wait anew, so that an answer may take for ever; the ledger is read in the loop's threads."""
    monkeypatch.setattr(heartbeat, "_LONGEST", 0.05)
    over, calls = threading.Event(), []

    class Trickles(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            while not over.wait(0.01):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickles)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        beating = Heartbeat(f"http://127.0.0.1:{server.server_port}/", 1.0, lambda: True)
        for _ in range(40):
            await beating.beat()
        assert beating.trouble.startswith("no answer within")
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "the others go on") == "the others go on"
        assert len(calls) == 1
    finally:
        over.set()
        server.shutdown()
        serving.join()
        server.server_close()


async def test_without_an_address_it_waits_for_its_end() -> None:
    running = asyncio.create_task(Heartbeat("", 0.001, lambda: True).run())
    await asyncio.sleep(0.02)
    assert not running.done()
    running.cancel()


def test_all_is_well_until_a_critical_word_has_waited_too_long() -> None:
    settings = AlertSettings(mail_waiting=60.0)
    late, young = NOW - timedelta(seconds=61), NOW - timedelta(seconds=60)
    waits = replace(WELL, waiting=Waiting(1, oldest=late, oldest_critical=young))
    assert all_well(WELL, settings, NOW)
    assert all_well(waits, settings, NOW, silent_since=young)
    assert not all_well(replace(WELL, waiting=Waiting(1, oldest_critical=late)), settings, NOW)
    assert not all_well(WELL, settings, NOW, silent_since=late)
