"""Who is let in: host names, the token, sizes, slow clients, and how many."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_serve import TOKEN, Book, Hand, Served, served
from web_worlds import WELL

from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.service.metrics import Meters
from robotrading.service.settings import ServiceSettings
from robotrading.service.web.app import make_app
from robotrading.service.web.guard import host_allowed
from robotrading.service.web.limits import Limits
from robotrading.service.web.server import CannotServe, serving

HURRIED = Limits(patience=0.3, keep_alive=0.3, connections=8, goodbye=1.0)


@pytest.mark.parametrize(
    ("named", "configured", "allowed"),
    [
        ("localhost", "127.0.0.1", True),
        ("localhost:8080", "127.0.0.1", True),
        ("LOCALHOST.", "127.0.0.1", True),
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("127.8.9.1", "localhost", True),
        ("[::1]:8080", "127.0.0.1", True),
        ("bot.example.org", "bot.example.org", True),
        ("evil.example", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("192.168.1.5", "127.0.0.1", False),
        ("trading-bot", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("", "", False),
        ("trading-bot:8080", "0.0.0.0", True),  # noqa: S104
        ("192.168.1.5:8080", "0.0.0.0", True),  # noqa: S104
        ("[fd00::1]:8080", "::", True),
        ("evil.example", "0.0.0.0", False),  # noqa: S104
        ("evil.example:8080", "::", False),
    ],
)
def test_only_names_of_this_service_are_answered(named: str, configured: str, allowed: bool) -> None:
    assert host_allowed(named, configured) is allowed


@given(st.text(max_size=30), st.sampled_from(["127.0.0.1", "0.0.0.0", "localhost", "::"]))  # noqa: S104
def test_no_name_with_a_dot_gets_in_by_being_odd(name: str, configured: str) -> None:
    assert not host_allowed(f"{name}.example", configured) or ":" in name or name.startswith("[")


async def test_a_foreign_host_name_is_refused_on_every_path() -> None:
    async with served(WELL) as service:
        for path in ("/", "/health", "/status", "/metrics", "/nothing"):
            answer = await service.client.get(path, headers={"host": "evil.example"})
            assert answer.status_code == 421
            assert "healthy" not in answer.text


async def raw(service: Served, sent: bytes, wait: float = 5.0) -> bytes:
    """All that comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(sent)
        with suppress(ConnectionError):
            async with asyncio.timeout(wait):
                return await reader.read()
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_two_host_headers_or_none_are_refused() -> None:
    async with served(WELL) as service:
        twice = await raw(service, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        never = await raw(service, b"GET / HTTP/1.0\r\n\r\n")
    assert twice.startswith(b"HTTP/1.1 400")
    assert never.startswith(b"HTTP/1.1 421")


async def test_a_body_or_a_head_beyond_the_bound_is_refused() -> None:
    async with served(WELL, Book(), TOKEN) as service:
        large = await service.client.post("/halt", content=b"x" * 5000, headers=bearer())
        chunked = await service.client.post("/halt", content=pieces(50), headers=bearer())
        odd = await raw(service, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n")
        head = await raw(service, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 40_000)
    assert large.status_code == 413
    assert chunked.status_code == 413
    assert odd.startswith(b"HTTP/1.1 413")
    assert head.startswith(b"HTTP/1.1 400") or head == b""


async def pieces(count: int):
    for _ in range(count):
        yield b"x" * 200


async def test_a_client_that_never_finishes_asking_is_cut_and_others_are_answered() -> None:
    async with served(WELL, limits=HURRIED) as service:
        slow = asyncio.create_task(raw(service, b"GET / HTTP/1.1\r\nHost: local"))
        assert (await service.client.get("/ping")).status_code == 200
        assert await slow == b""


async def test_a_client_that_does_not_read_is_cut() -> None:
    async with served(WELL, limits=HURRIED) as service:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", service.port))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(flood(client), 5)
        assert (await service.client.get("/ping")).status_code == 200


async def flood(client: socket.socket) -> None:
    """Ask and never read."""
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        await asyncio.sleep(0.01)


async def test_an_idle_connection_is_closed_and_one_in_use_is_not() -> None:
    async with served(WELL, limits=HURRIED) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        for _ in range(6):
            writer.write(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"pong\n")
            await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_the_bound_are_closed_at_once_and_room_comes_back() -> None:
    async with served(WELL, limits=Limits(connections=4, goodbye=1.0)) as service:
        held = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(4)]
        await asyncio.sleep(0.05)
        assert await raw(service, b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") == b""
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        answer = await raw(service, b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"pong\n")


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "x-who": "ann"}


async def test_the_right_token_lets_a_person_act_and_the_name_is_kept() -> None:
    book = Book()
    async with served(WELL, book, TOKEN) as service:
        for path in ("/run/equities", "/resume", "/programs/exit%20manager/start"):
            answer = await service.client.post(path, headers=bearer())
            assert answer.status_code == 200, answer.text
            assert answer.json()["who"] == "ann over http from 127.0.0.1"
        halted = await service.client.post("/halt", headers=bearer(), json={"reason": "a look\r\nfirst"})
    assert halted.status_code == 200
    who = "ann over http from 127.0.0.1"
    assert book.done == [
        ("run", "equities", who),
        ("resume", who),
        ("start", "exit manager", who),
        ("halt", "a look first", who),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": f"token={TOKEN}"},
    ],
)
async def test_without_the_right_token_nothing_happens(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    book = Book()
    caplog.set_level(logging.DEBUG)
    async with served(WELL, book, TOKEN) as service:
        for path in ("/run/equities", "/halt", "/resume", "/programs/x/start"):
            answer = await service.client.post(f"{path}?token={TOKEN}", headers=headers, json={"reason": "x"})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert TOKEN not in answer.text
    assert book.done == []
    ours = [record for record in caplog.records if record.name.startswith(("robotrading", "uvicorn"))]
    assert all(TOKEN not in record.getMessage() for record in ours)
    assert sum("no valid token" in record.getMessage() for record in ours) == 1


async def test_two_tokens_at_once_are_none() -> None:
    async with served(WELL, Book(), TOKEN) as service:
        answer = await service.client.post(
            "/resume", headers=[("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
        )
    assert answer.status_code == 401


async def test_reading_needs_no_token_and_actions_are_not_read() -> None:
    async with served(WELL, Book(), TOKEN) as service:
        assert (await service.client.get("/health")).status_code == 200
        got = await service.client.get("/halt", headers=bearer())
        put = await service.client.put("/halt", headers=bearer())
        page = await service.client.post("/", headers=bearer())
    assert (got.status_code, put.status_code, page.status_code) == (405, 405, 405)
    assert got.headers["allow"] == "POST"


async def test_what_is_not_understood_or_not_possible_is_told() -> None:
    book = Book()
    async with served(WELL, book, TOKEN) as service:
        post = service.client.post
        assert (await post("/run/everything", headers=bearer())).status_code == 404
        assert (await post("/halt", headers=bearer())).status_code == 400
        assert (await post("/halt", headers=bearer(), content=b"[1]")).status_code == 400
        assert (await post("/halt", headers=bearer(), content=b"{")).status_code == 400
        assert (await post("/halt", headers=bearer(), json={"reason": 7})).status_code == 400
        book.refuse = "equities runs already; wait for its end"
        refused = await post("/run/equities", headers=bearer())
    assert refused.status_code == 409
    assert refused.json()["message"] == book.refuse
    assert book.done == []


async def test_so_many_actions_a_minute_and_no_more() -> None:
    book = Book()
    async with served(WELL, book, TOKEN) as service:
        answers = [(await service.client.post("/resume", headers=bearer())).status_code for _ in range(22)]
        service.clock.seconds = 61.0
        after = await service.client.post("/resume", headers=bearer())
    assert answers == [200] * 20 + [429] * 2
    assert after.status_code == 200


async def test_an_action_that_hangs_is_answered_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Book):
        async def resume(self, who: str) -> str:
            await asyncio.sleep(60)
            return who

    monkeypatch.setattr("robotrading.service.web.app.Limits", lambda: Limits(action_seconds=0.2))
    async with served(WELL, Slow(), TOKEN) as service:
        hung = asyncio.create_task(service.client.post("/resume", headers=bearer()))
        await asyncio.sleep(0.05)
        assert (await service.client.get("/ping")).status_code == 200
        assert (await hung).status_code == 504


async def test_a_token_without_anybody_to_act_leaves_everything_read_only() -> None:
    async with served(WELL, None, TOKEN) as service:
        assert (await service.client.post("/resume", headers=bearer())).status_code == 405


@pytest.mark.parametrize("token", ["short", "has a tab\tin its middle", "a-töken-that-is-long-enough"])
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match=r"service\.token"):
        make_app(lambda: WELL, Meters("1", "paper"), None, ServiceSettings(token=token))


async def test_a_port_that_is_taken_is_one_error_that_names_the_key() -> None:
    async with served(WELL) as service:
        with pytest.raises(CannotServe, match=r"service\.port") as caught:
            async with serving(None, ServiceSettings(port=service.port)):
                pass
    assert "another program" in str(caught.value)
    assert isinstance(caught.value, RobotradingError)


@pytest.mark.parametrize("host", ["no such host", "192.0.2.77"])
async def test_an_address_that_is_not_ours_is_one_error_that_names_the_key(host: str) -> None:
    with pytest.raises(CannotServe, match=r"service\.host"):
        async with serving(None, ServiceSettings(host=host, port=0)):
            pass


async def test_leaving_takes_a_bounded_time_and_frees_the_port_whoever_holds_on() -> None:
    """One has asked for half a line, one does not read its answers, one waits for an action that hangs."""

    class Slow(Book):
        async def resume(self, who: str) -> str:
            await asyncio.sleep(60)
            return who

    loop = asyncio.get_running_loop()
    async with served(WELL, Slow(), TOKEN, Limits(goodbye=1.0)) as service:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: ")
        await writer.drain()
        hung = asyncio.create_task(raw(service, asked_to_resume()))
        deaf = socket.create_connection(("127.0.0.1", service.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
        await asyncio.sleep(0.3)
        start = loop.time()
    assert loop.time() - start < 6
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", service.port)
    deaf.close()
    await hung
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def asked_to_resume() -> bytes:
    return f"POST /resume HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_it_listens_on_the_other_loopback_address_too() -> None:
    with suppress(CannotServe):
        async with serving(
            make_app(lambda: WELL, Meters("1", "paper"), Hand(), ServiceSettings(host="::1")),
            ServiceSettings(host="::1", port=0),
        ) as port:
            reader, writer = await asyncio.open_connection("::1", port)
            writer.write(b"GET /ping HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"pong\n")
            writer.close()


def test_serving_loads_nothing_heavy() -> None:
    """The daemon stays small: what computes is in its children."""
    words = "import sys, robotrading.service.web.app, robotrading.service.web.server; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    heavy = {
        "pandas",
        "numpy",
        "scipy",
        "sklearn",
        "statsmodels",
        "hmmlearn",
        "matplotlib",
        "yfinance",
        "exchange_calendars",
    }
    assert not heavy & set(said.stdout.split())


async def test_signals_stay_the_daemons() -> None:
    import signal

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with served(WELL):
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
