"""Every route answers from what is known, in both states, with the headers that keep a browser in bounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from web_serve import served
from web_worlds import ACCOUNT, EMPTY, HOSTILE, NOW, TROUBLE, WELL, WORLDS

PATHS = {
    "/ping": "text/plain; charset=utf-8",
    "/health": "application/json",
    "/health/detailed": "application/json",
    "/status": "application/json",
    "/metrics": "text/plain; version=0.0.4; charset=utf-8",
    "/": "text/html; charset=utf-8",
    "/reports": "text/html; charset=utf-8",
    "/style.css": "text/css; charset=utf-8",
    "/favicon.svg": "image/svg+xml",
    "/favicon.ico": "image/svg+xml",
}
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.parametrize("world", WORLDS)
async def test_every_route_answers_in_every_state_with_all_headers(world: str) -> None:
    async with served(WORLDS[world]) as service:
        for path, content_type in PATHS.items():
            answer = await service.client.get(path)
            assert answer.status_code in {200, 503}, path
            assert answer.headers["content-type"] == content_type
            assert answer.content
            guarded(answer.headers)


def guarded(headers) -> None:
    assert {name: headers[name] for name in SECURITY} == SECURITY
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "server" not in headers


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with served(WELL) as service:
        for path in PATHS:
            await same_but_empty(service.client, path)


async def same_but_empty(client, path: str) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_healthy_means_200_and_trouble_503_each_with_a_sentence() -> None:
    async with served(WELL) as service:
        well = await service.client.get("/health")
        service.facts = TROUBLE
        trouble = await service.client.get("/health")
    assert well.status_code == 200
    assert well.json() == {"healthy": True, "sentence": "able to trade"}
    assert trouble.status_code == 503
    assert trouble.json()["healthy"] is False
    assert trouble.json()["sentence"].startswith("not able to trade: ")


async def test_detailed_health_names_every_check_with_what_to_do() -> None:
    async with served(TROUBLE) as service:
        answer = await service.client.get("/health/detailed")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    bad = [check for check in checks if check["level"] == "critical"]
    assert len(bad) >= 3
    assert all(check["name"] and check["found"] and check["what_to_do"] for check in bad)


async def test_ping_says_pong_whatever_the_state() -> None:
    async with served(TROUBLE) as service:
        assert (await service.client.get("/ping")).text == "pong\n"


async def test_health_turns_when_the_facts_grow_old_though_they_stay_the_same() -> None:
    async with served(WELL) as service:
        assert (await service.client.get("/health")).status_code == 200
        service.clock.at = NOW + timedelta(minutes=2)
        assert (await service.client.get("/health")).status_code == 503
        assert "able to trade" in (await service.client.get("/")).text
        assert "robotrading_healthy 0.0" in (await service.client.get("/metrics")).text


async def test_another_mode_is_answered_at_once() -> None:
    async with served(WELL) as service:
        before = await service.client.get("/")
        service.facts = replace(WELL, mode="live")
        after = await service.client.get("/")
        status = await service.client.get("/status")
    assert "m-paper" in before.text
    assert "m-live" in after.text
    assert status.json()["mode"] == "live"


async def test_metrics_are_of_the_newest_facts() -> None:
    async with served(WELL) as service:
        text = (await service.client.get("/metrics")).text
    assert "robotrading_healthy 1.0" in text
    assert 'portfolio_total_value{currency="USD"}' in text


async def test_an_unknown_path_is_404_in_json_or_as_a_page() -> None:
    async with served(WELL) as service:
        for path in ("/nothing", "/health/", "/..%2f..%2fetc/passwd", "/docs", "/openapi.json"):
            told = await service.client.get(path)
            shown = await service.client.get(path, headers={"accept": "text/html"})
            assert told.status_code == shown.status_code == 404
            assert told.json()["error"] == "Not Found"
            assert "<h1>Not Found</h1>" in shown.text
            guarded(told.headers)
            guarded(shown.headers)


async def test_without_a_token_everything_but_reading_is_405() -> None:
    async with served(WELL) as service:
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
            for path in ("/", "/health", "/halt", "/nothing"):
                answer = await service.client.request(method, path)
                assert answer.status_code == 405
                assert answer.headers["allow"] == "GET, HEAD"
                guarded(answer.headers)


@pytest.mark.parametrize("world", WORLDS)
async def test_no_account_and_no_password_is_in_any_answer(world: str) -> None:
    async with served(WORLDS[world]) as service:
        for path in PATHS:
            text = (await service.client.get(path)).text
            assert ACCOUNT not in text
            assert "7654321" not in text
            assert "hunter2" not in text


async def test_hostile_words_stay_words_on_the_page() -> None:
    async with served(TROUBLE) as service:
        page = (await service.client.get("/")).text
        said = (await service.client.get("/status")).json()
    assert HOSTILE not in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert any("<script>" in order["reason"] for order in said["open_orders"])


async def test_a_fault_of_ours_is_500_without_its_words() -> None:
    async with served(EMPTY) as service:
        service.facts = None
        answer = await service.client.get("/status")
        assert answer.status_code == 500
        assert "NoneType" not in answer.text
        guarded(answer.headers)
        service.facts = WELL
        assert (await service.client.get("/status")).status_code == 200
