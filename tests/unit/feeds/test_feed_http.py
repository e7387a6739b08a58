"""Laws of `HttpClient`, over a real server on loopback."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from email.utils import format_datetime

import pytest
from scripted_http import ManualClock, Reply, ScriptedServer

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.feeds.http import HttpClient, describe_status, redact
from robotrading.adapters.resilience import ServiceError

KEY = "SECRETKEY1234567"


@contextmanager
def asking(reply, **options):
    """A function that asks a server which answers with the reply."""
    answer = reply if callable(reply) else lambda _: reply
    with ScriptedServer(answer) as server, HttpClient("Svc", SystemClock(), secret=KEY, **options) as http:

        def get(seconds: float = 5.0, path: str = "/x"):
            return http.get(server.url + path, seconds, {"apikey": KEY, "symbol": "A&B"})

        get.server = server
        yield get


def refused(get, **options) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        get(**options)
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in everything
    assert caught.value.__cause__ is None
    return caught.value


def test_a_good_answer_comes_whole():
    with asking(Reply(200, "hällo" * 50_000, {"X-Y": "1"})) as get:
        answer = get()
        assert answer.text == "hällo" * 50_000
        assert answer.headers["X-Y"] == "1"
        assert "hällo" not in repr(answer)
        request = get.server.requests[0]
        assert request.query == {"apikey": KEY, "symbol": "A&B"}
        assert request.headers["User-Agent"].startswith("Mozilla/5.0")


def test_too_many_requests_is_retryable_and_carries_the_pause():
    with asking(Reply(429, "Edge: Too Many Requests", {"Retry-After": "17"})) as get:
        error = refused(get)
    assert (error.status, error.rule, error.retryable, error.retry_after) == (429, "rate_limited", True, 17.0)
    assert "Edge: Too Many Requests" in str(error)


def test_retry_after_as_a_date_counts_from_the_clock():
    clock = ManualClock()
    later = clock.now().replace(minute=2)
    reply = Reply(503, "", {"Retry-After": format_datetime(later, usegmt=True)})
    with (
        ScriptedServer(lambda _: reply) as server,
        HttpClient("Svc", clock) as http,
        pytest.raises(ServiceError) as caught,
    ):
        http.get(server.url, 5.0)
    assert caught.value.retry_after == 120.0


@pytest.mark.parametrize(
    "status, rule, retryable",
    [
        (500, "server_error", True),
        (502, "server_error", True),
        (408, "server_error", True),
        (401, "unauthorized", False),
        (403, "unauthorized", False),
        (404, "http_status", False),
        (204, "http_status", False),
    ],
)
def test_every_other_status_is_an_error_with_a_name(status, rule, retryable):
    with asking(Reply(status, "" if status == 204 else "<html>busy</html>")) as get:
        error = refused(get)
    assert (error.status, error.rule, error.retryable) == (status, rule, retryable)


def test_status_200_is_no_error():
    assert describe_status("Svc", 200) is None


def test_a_server_that_says_nothing_times_out():
    with asking(Reply(hang=True)) as get:
        error = refused(get, seconds=0.2)
    assert (error.rule, error.retryable) == ("timeout", True)


def test_a_body_that_stops_in_the_middle_times_out():
    with asking(Reply(200, "abcdef", drip=3.0)) as get:
        error = refused(get, seconds=0.3)
    assert error.rule == "timeout"


def test_a_server_that_drips_is_cut_off():
    """Each byte arrives well within the read timeout; the whole is bounded all the same."""
    with asking(Reply(200, "x" * 1000, drip=0.05)) as get:
        error = refused(get, seconds=0.3)
    assert error.rule == "timeout"
    assert "was not done within" in str(error)


def test_a_truncated_body_is_not_an_answer():
    with asking(Reply(200, '{"half": ', declared=5000)) as get:
        error = refused(get)
    assert (error.rule, error.retryable) == ("connection", True)


def test_a_connection_refused_names_the_service_and_not_the_key():
    with asking(Reply(200)) as get:
        get.server._server.server_close()
        get.server._server.shutdown()
        error = refused(get)
    assert error.rule == "connection"
    assert str(error).startswith("Svc could not be reached")


def test_a_body_beyond_the_bound_is_refused():
    with asking(Reply(200, "x" * 300_000), max_bytes=100_000) as get:
        error = refused(get)
    assert (error.rule, error.retryable) == ("too_large", False)


def test_endless_redirects_end():
    with asking(lambda request: Reply(302, "", {"Location": request.path + "x"})) as get:
        assert refused(get).rule == "connection"
        assert len(get.server.requests) <= 7


def test_an_echoed_key_is_taken_out_of_the_error():
    with asking(Reply(403, f"your key {KEY} and apikey={KEY} are not welcome")) as get:
        assert "***" in str(refused(get))


def test_the_key_is_in_no_log_line_at_any_level(caplog):
    caplog.set_level("DEBUG")
    with asking(Reply(200, "fine")) as get:
        get()
    with asking(Reply(200, "half", declared=100)) as get:
        refused(get)
    assert "GET /x?apikey=***" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "https://x/query?function=A&apikey=ABCDEFGH12345678&symbol=B",
        "We have detected your API key as ABCDEFGH12345678 and our",
        "crumb=ABCDEFGH12345678",
        "the given ABCDEFGH12345678 itself",
    ],
)
def test_redaction_knows_the_forms_in_which_keys_appear(text):
    assert "ABCDEFGH" not in redact(text, "ABCDEFGH12345678", "")
    if "given" not in text:
        assert "ABCDEFGH" not in redact(text), "even when the key is not known"
