"""Pushes to phones, chats and webhooks through Apprise. Loading it costs 0.4 s and 50 MB: for short-lived processes.

What Apprise 2.2 was seen to do, and what follows here: it answers with a result whose attempts carry the service's log
lines at WARNING and above; those name the HTTP status as `error=401`. At DEBUG it logs whole URLs with their tokens, so
its logger never reaches ours. `retry` and `wait` of a URL let it sleep: the outbox does that, so they are put back to
none. Its own deadline leaves a worker thread behind that holds up the end of the process, so the waiting is done here,
on a thread that does not. It follows redirections with everything that is secret: not here. Its store for tokens stays
in memory.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterable, Mapping
from threading import Thread
from typing import TYPE_CHECKING

from robotrading.adapters.notify.push_urls import named, pieces
from robotrading.adapters.notify.report.words import clean
from robotrading.domain.messages import Letter, Urgency
from robotrading.domain.skip import Skip

if TYPE_CHECKING:
    from apprise import AppriseResult, NotifyBase

SECONDS = 20.0
"""How long one push may take as a whole."""
_LINES, _CHARACTERS, _REASON = 12, 900, 160
_STATUS = re.compile(r"error=([0-9]{3})\b")
_LATER = frozenset({408, 425, 429})


class PushCarrier:
    """Letters as short plain pushes. Nothing it meets is raised; no URL and no token is in any text."""

    def __init__(self, urls: str, seconds: float = SECONDS) -> None:
        self._urls = named(urls)
        self._seconds = seconds
        self._made: dict[str, NotifyBase | None] = {}

    @property
    def longest(self) -> float:
        """Seconds that the longest attempt can take."""
        return self._seconds

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._urls)

    def open(self, recipient: str) -> Skip | None:
        """Whether there is a usable URL of that name; nobody is asked."""
        if recipient not in self._urls:
            known = ", ".join(self._urls) or "none"
            return _skip(recipient, "no_such_push", f"there is no push {recipient!r} any more; known: {known}")
        if self._service(recipient) is None:
            return _skip(recipient, "push_url", _UNUSABLE.format(recipient))
        return None

    def carry(self, letter: Letter, recipient: str) -> Skip | None:
        """Push it; why it was not taken."""
        trouble = self.open(recipient)
        service = self._service(recipient)
        if trouble is not None or service is None:
            return trouble
        answer = self._answered(service, letter)
        if answer is None:
            return _skip(recipient, "push_timeout", f"{recipient} did not answer within {self._seconds:g} s")
        return None if answer else self._refused(recipient, answer)

    def close(self) -> None:
        """Nothing is kept open."""

    def _service(self, recipient: str) -> NotifyBase | None:
        url = self._urls.get(recipient)
        if url is not None and recipient not in self._made:
            self._made[recipient] = _service_of(url)
        return self._made.get(recipient)

    def _answered(self, service: NotifyBase, letter: Letter) -> AppriseResult | None:
        """Apprise's answer, None when there was none in time."""
        told: list[AppriseResult] = []
        thread = Thread(target=lambda: told.append(_notified(service, letter)), daemon=True)
        thread.start()
        thread.join(self._seconds)
        return told[0] if told else None

    def _refused(self, recipient: str, answer: AppriseResult) -> Skip:
        said = _said(answer)
        status = next((int(found[1]) for line in said if (found := _STATUS.search(line))), 0)
        words = quoted(said[0] if said else "", pieces(self._urls[recipient]))
        told = f" ({words})" if words else ""
        if status == 0:
            return _skip(recipient, "push_unreached", f"{recipient} could not be reached{told}")
        if status in _LATER or status >= 500:
            return _skip(recipient, "push_busy", f"{recipient} does not take it now{told}")
        check = "check its URL in ROBOTRADING_PUSH_URLS"
        return _skip(recipient, "push_refused", f"{recipient} refused it{told}; {check}")


_UNUSABLE = (
    "the URL of push {!r} cannot be used; compare it with the service's page in Apprise's wiki, and set it in"
    " ROBOTRADING_PUSH_URLS (URLs apart by blanks)"
)


def unusable(urls: str) -> Mapping[str, str]:
    """A sentence for each push whose URL cannot be used, by its name."""
    carrier = PushCarrier(urls)
    troubles = {name: carrier.open(name) for name in carrier.names}
    return {name: trouble.reason for name, trouble in troubles.items() if trouble is not None}


def quoted(said: str, secrets: Iterable[str]) -> str:
    """What a service said, as far as a reason has room; cut last, since half a secret is not found any more."""
    return redacted(clean(said), secrets)[:_REASON]


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Without the secrets, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text


def text_of(letter: Letter) -> str:
    """The first lines, as short as a phone shows them."""
    lines = [line.rstrip() for line in letter.message.text.strip().splitlines()]
    kept = "\n".join(lines[:_LINES])[:_CHARACTERS].rstrip()
    return f"{kept}\n..." if len(kept) < len("\n".join(lines)) else kept


def _service_of(url: str) -> NotifyBase | None:
    import apprise  # noqa: PLC0415  heavy

    _quiet()
    asset = apprise.AppriseAsset(
        app_id="robotrading",
        app_desc="robotrading",
        storage_mode="memory",
        service_timeout=0,
        secure_logging=True,
        http_redirects=False,
    )
    with warnings.catch_warnings():  # the first use loads every service it knows, with what those import
        warnings.simplefilter("ignore")
        service = apprise.Apprise.instantiate(url, asset=asset)
    if service is not None:
        service.retry = 0
        service.redirects = False
    return service


def _notified(service: NotifyBase, letter: Letter) -> AppriseResult:
    import apprise  # noqa: PLC0415  heavy

    post = apprise.Apprise(asset=service.asset)
    post.add(service)
    kind = {Urgency.CRITICAL: "failure", Urgency.WARNING: "warning"}.get(letter.urgency, "info")
    title, body = clean(letter.message.subject), text_of(letter)
    return post.notify(body=body or title, title=title, notify_type=kind, body_format="text")


def _quiet() -> None:
    """Apprise's lines are taken from its results; here nobody may hear its URLs."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _said(answer: AppriseResult) -> list[str]:
    entries = [entry for result in answer for attempt in result.attempts for entry in attempt.logs]
    return [str(entry.message) for entry in entries]


def _skip(recipient: str, rule: str, reason: str) -> Skip:
    return Skip(recipient, "push", reason, rule)
