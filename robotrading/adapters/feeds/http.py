"""One bounded GET, and no secret in anything that leaves here.

Entry points: `HttpClient`, `Answer`, `redact`, `describe_status`.
Invariants: once its headers are there, an answer ends within the request's seconds plus one read, however slowly the
server drips (headers are bounded read by read alone: who drips those is ended by the session's deadline); a body never
grows past `max_bytes`; TLS certificates are verified; no error text, repr, chained exception or log line contains the
key.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import requests
from urllib3.exceptions import HTTPError as BrokenBody
from urllib3.exceptions import ReadTimeoutError

from robotrading.adapters.resilience import ServiceError, retry_after_seconds
from robotrading.domain.ports import Clock

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
MAX_BYTES = 32 * 1024 * 1024
CHUNK = 64 * 1024
_KEY_IN_URL = re.compile(r"(?i)\b(apikey|api_key|token|crumb)=[^&\s'\"]+")
_KEY_ECHOED = re.compile(r"(?i)(api ?key (?:as|is|of)\s+)[\"'`]?[A-Za-z0-9]{6,}[\"'`]?")


def redact(text: str, *secrets: str) -> str:
    """The text without the given secrets, key parameters of addresses and keys that a service echoes."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _KEY_ECHOED.sub(r"\1***", _KEY_IN_URL.sub(r"\1=***", text))


class _WithoutKeys(logging.Filter):
    """For urllib3, which writes whole addresses into its debug log, the key's parameter among them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_WITHOUT_KEYS = _WithoutKeys()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer with status 200; the body's bytes after decompression."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """As UTF-8; bytes that are not become replacement characters."""
        return self.body.decode("utf-8", errors="replace")


def describe_status(
    service: str, status: int, *, excerpt: str = "", retry_after: float | None = None
) -> ServiceError | None:
    """The error for an HTTP status, None for 200. 429, 408 and 5xx are worth another try, nothing else is."""
    if status == 200:
        return None
    detail = f": {excerpt}" if excerpt else ""
    pause = "" if retry_after is None else f" (it asks to wait {retry_after:.0f} s)"
    if status == 429:
        rule, meaning = "rate_limited", "too many requests"
    elif status in (401, 403):
        rule, meaning = "unauthorized", "access refused"
    elif status == 408 or status >= 500:
        rule, meaning = "server_error", "the service has a problem of its own"
    else:
        rule, meaning = "http_status", "an answer that is not data"
    return ServiceError(
        f"{service} answered HTTP {status}, {meaning}{pause}{detail}",
        rule=rule,
        status=status,
        retryable=rule in ("rate_limited", "server_error"),
        retry_after=retry_after,
    )


class HttpClient:
    """GET requests of one service over one session of connections; usable from several threads."""

    def __init__(
        self, service: str, clock: Clock, *, user_agent: str = BROWSER, max_bytes: int = MAX_BYTES, secret: str = ""
    ) -> None:
        self.service = service
        self._clock = clock
        self._max_bytes = max_bytes
        self._secret = secret
        for name in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(name).addFilter(_WITHOUT_KEYS)
        self._session = requests.Session()
        self._session.max_redirects = 5
        self._session.headers.update({"User-Agent": user_agent, "Accept-Language": "en-US,en;q=0.8"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def get(self, url: str, seconds: float, params: Mapping[str, str] | None = None) -> Answer:
        """The answer with status 200, within about `seconds`. Raises `ServiceError` for everything else."""
        failure: ServiceError
        try:
            return self._get(url, seconds, params)
        except (requests.Timeout, ReadTimeoutError):
            failure = ServiceError(f"{self.service} did not answer within {seconds:.0f} s", rule="timeout")
        except (requests.RequestException, BrokenBody) as error:
            text = redact(f"{type(error).__name__}: {error}", self._secret)[:300]
            failure = ServiceError(f"{self.service} could not be reached or broke off: {text}", rule="connection")
        # Raised outside of the handler: a chained exception would carry the address, and the key in it.
        raise failure

    def _get(self, url: str, seconds: float, params: Mapping[str, str] | None) -> Answer:
        deadline = self._clock.monotonic() + seconds
        limit = max(seconds, 0.001)
        with self._session.get(url, params=params, timeout=(limit, limit), stream=True) as response:
            body = self._read(response, deadline, seconds)
            text = body[:4000].decode("utf-8", errors="replace")
            failure = describe_status(
                self.service,
                response.status_code,
                excerpt=redact(" ".join(text.split())[:200], self._secret),
                retry_after=retry_after_seconds(response.headers.get("Retry-After"), self._clock.now()),
            )
            if failure is not None:
                raise failure
            return Answer(response.status_code, dict(response.headers), body)

    def _read(self, response: requests.Response, deadline: float, seconds: float) -> bytes:
        """The body, piece by piece as it arrives, so that time and size are looked at in between."""
        body = bytearray()
        while piece := response.raw.read1(CHUNK, decode_content=True):
            body += piece
            if len(body) > self._max_bytes:
                raise ServiceError(
                    f"{self.service} sent more than {self._max_bytes} bytes, which cannot be what was asked for",
                    rule="too_large",
                    retryable=False,
                )
            if self._clock.monotonic() > deadline:
                raise ServiceError(f"{self.service} was not done within {seconds:.0f} s", rule="timeout")
        return bytes(body)
