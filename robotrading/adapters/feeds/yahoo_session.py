"""The connection that yfinance is given, so that nothing of what Yahoo says gets lost on the way.

Entry point: `YahooSession`.
yfinance turns a lost connection, a refusal and an unknown symbol alike into 'possibly delisted', keeps failed answers
in a cache, and drops Retry-After. It sends every request through the session it is given; this one raises for what is
not a chart, with the real reason, and holds each request to the time that is left for the attempt.
Import this module where it is used: curl_cffi and yfinance are heavy.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from curl_cffi import CurlOpt, requests
from curl_cffi.requests.exceptions import ConnectionError as Unreachable
from curl_cffi.requests.exceptions import RequestException, Timeout

from robotrading.adapters.feeds.http import describe_status, redact
from robotrading.adapters.resilience import ServiceError, SubjectRefused, retry_after_seconds
from robotrading.domain.ports import Clock

SERVICE = "Yahoo"
CHART = "/finance/chart/"
MAX_BYTES = 16 * 1024 * 1024
SIDE_SHARE = 0.25
"""Part of an attempt's time that a cookie or a crumb may take: charts come without them too."""
LEAST_SECONDS = 0.001
"""curl counts whole milliseconds, and takes none of them for no bound at all."""


class YahooSession(requests.Session):  # type: ignore[type-arg]
    """curl_cffi with a browser's handshake. Each thread works `within` its own time and sees its own last `status`."""

    def __init__(self, clock: Clock, url: str = "") -> None:
        super().__init__(impersonate="chrome", curl_options={CurlOpt.MAXFILESIZE_LARGE: MAX_BYTES})
        self._clock = clock
        self._url = url.rstrip("/")
        self._mine = threading.local()
        self._side_down = threading.Event()
        self._began = clock.monotonic()

    def begin(self) -> None:
        """A new round of questions: cookie hosts that failed in the last one may be asked again."""
        self._side_down.clear()
        self._began = self._clock.monotonic()

    @property
    def seconds(self) -> float:
        """How long this round has taken."""
        return self._clock.monotonic() - self._began

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything this thread asks in the block has to be answered within that time."""
        self._mine.deadline = self._clock.monotonic() + seconds
        self._mine.status = None
        yield

    @property
    def status(self) -> int | None:
        """HTTP status of this thread's last chart."""
        return getattr(self._mine, "status", None)

    def request(self, method: Any, url: str, **options: Any) -> Any:  # type: ignore[override]
        """Send the request. Raises `ServiceError` where a chart was asked for and there is none."""
        left = self._mine.deadline - self._clock.monotonic()
        if left <= 0:
            raise ServiceError("Yahoo was not done in the time for one attempt", rule="timeout")
        if CHART not in url:
            return self._side_request(method, url, left, options)
        try:
            response = super().request(method, self._place(url), **{**options, "timeout": max(left, LEAST_SECONDS)})
        except Timeout as error:
            raise ServiceError(f"Yahoo did not answer within {left:.0f} s", rule="timeout") from error
        except RequestException as error:
            reason = redact(f"{type(error).__name__}: {error}")[:300]
            raise ServiceError(f"Yahoo could not be reached or broke off: {reason}", rule="connection") from error
        self._mine.status = response.status_code
        return self._judged(response)

    def _side_request(self, method: Any, url: str, left: float, options: dict[str, Any]) -> Any:
        """Cookie, crumb, consent: yfinance does without them after a lost connection, and is spared a second one."""
        if self._side_down.is_set():
            raise Unreachable("not asked again in this round after a failure")
        seconds = max(left * SIDE_SHARE, LEAST_SECONDS)
        try:
            return super().request(method, self._place(url), **{**options, "timeout": seconds})
        except RequestException:
            self._side_down.set()
            raise

    def _place(self, url: str) -> str:
        """The address itself, or the same below the configured one, host first."""
        if not self._url:
            return url
        parts = urlsplit(url)
        return f"{self._url}/{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def _judged(self, response: Any) -> Any:
        status = int(response.status_code)
        if status in (401, 403):
            return response  # yfinance tries once more with its other kind of cookie
        body = _json_object(response.text)
        error = _chart_error(body)
        if error is not None and status in (200, 400, 404, 422):
            rule = "unknown_symbol" if status == 404 else "no_data"
            raise SubjectRefused(f"Yahoo answered HTTP {status}: {error}", rule=rule, status=status)
        failure = describe_status(
            SERVICE,
            status,
            excerpt=redact(" ".join(response.text.split())[:200]),
            retry_after=retry_after_seconds(response.headers.get("Retry-After"), self._clock.now()),
        )
        if failure is not None:
            raise failure
        if body is None:
            raise ServiceError("Yahoo sent something that is not a JSON object", rule="unreadable", status=status)
        if _drop_empty_last(body):
            response.content = json.dumps(body).encode()
        return response


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _chart_error(body: dict[str, Any] | None) -> str | None:
    """`code: description` of a chart's own error, None when it has none."""
    chart = (body or {}).get("chart")
    error = chart.get("error") if isinstance(chart, dict) else None
    if not isinstance(error, dict):
        return None
    return f"{error.get('code')}: {error.get('description')}"


def _drop_empty_last(body: dict[str, Any]) -> bool:
    """Remove a last row without a close when the row before it is of the same day and has one.

    Yahoo sends the running day twice at times; yfinance keeps the later of the two, complete or not.
    """
    try:
        result = body["chart"]["result"][0]
        stamps, offset = result["timestamp"], int(result["meta"]["gmtoffset"])
        quote = result["indicators"]["quote"][0]
        before, last = ((int(stamp) + offset) // 86400 for stamp in stamps[-2:])
        twice = before == last and quote["close"][-1] is None and quote["close"][-2] is not None
    except (KeyError, IndexError, TypeError, ValueError):
        return False  # not of this shape: for yfinance to judge
    if twice:
        adjusted = result["indicators"].get("adjclose") or [{}]
        for column in (stamps, *quote.values(), *adjusted[0].values()):
            column.pop()
    return bool(twice)
