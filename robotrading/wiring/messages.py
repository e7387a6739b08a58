"""What a person and the service ask of the outbox: to list, show, send, retry, test.

Entry points: `listed`, `shown`, `send_now`, `retried`, `tested`, `send_due`, `sent_directly`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape

import msgspec

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.notify.nomail import how_to_set_up, missing
from robotrading.config.model import Config
from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.domain.messages import Address, Channel, Delivery, Letter, LetterKind, Urgency
from robotrading.domain.ports import Outbox
from robotrading.domain.report import Message
from robotrading.service.post.direct import send_directly
from robotrading.service.post.postman import Round
from robotrading.service.weekly import CAUGHT_UP
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.logs import log_command
from robotrading.wiring.post import addresses_for, carriers_for, opened_outbox, postman_for

_SEARCHED = 10_000
_ALERTS_KEPT = timedelta(days=365)
_SUMMARY_KEPT = CAUGHT_UP + timedelta(days=1)
"""As long as a restarted service would look for the week's summary, and post it again if it were forgotten."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A test message's fate at one address; `reason` is '' where it was taken."""

    address: Address
    reason: str = ""
    rule: str = ""


def listed(orders: Orders, limit: int, *, unsent: bool) -> Sequence[Delivery]:
    """The ways of the newest letters, of each letter all that are wanted. Raises `LedgerError`."""
    with opened_outbox(_book(orders)) as outbox:
        ways = outbox.deliveries(_SEARCHED, unsent=unsent)
    wanted = set(list(dict.fromkeys(one.letter_id for one in ways))[:limit])
    return [one for one in ways if one.letter_id in wanted]


def shown(orders: Orders, letter_id: str) -> tuple[Letter, Sequence[Delivery]]:
    """A letter and its ways. Raises `ConfigError` for an unknown one."""
    with opened_outbox(_book(orders)) as outbox:
        found = _found(outbox, letter_id)
        letter = outbox.letter(found)
        if letter is None:
            raise RobotradingError(f"the text of message {found} was forgotten; `robotrading messages` lists others")
        return letter, [one for one in outbox.deliveries(_SEARCHED) if one.letter_id == found]


def send_now(orders: Orders) -> Round:
    """A round over everything that waits, due or not. Raises `LedgerError`."""
    config = load_config(orders)
    log_command(config)
    return _round(config, book_for(config, orders), hurry=True)


def retried(orders: Orders, letter_id: str) -> tuple[str, int, Round]:
    """Let what was given up or put off of a letter be tried now; its id, how many ways, and what became of all."""
    config = load_config(orders)
    log_command(config)
    book = book_for(config, orders)
    with opened_outbox(book) as outbox:
        found = _found(outbox, letter_id)
        ways = outbox.retry(found, SystemClock().now())
    return found, ways, _round(config, book)


def tested(orders: Orders, channels: Collection[Channel]) -> list[Tested]:
    """A test message to every address of these channels, without the outbox. Raises `ConfigError` where is none."""
    config = load_config(orders)
    log_command(config)
    addresses = [one for one in addresses_for(config, LetterKind.TEST) if one.channel in channels]
    if not addresses:
        raise ConfigError(_nobody(config, channels))
    answers = send_directly([(_test_letter(), addresses)], carriers_for(config, book_for(config, orders).root.name))
    return [Tested(one, skip.reason, skip.rule) if skip else Tested(one) for one, skip in answers[0].items()]


def send_due(orders: Orders, leave: Callable[[], bool]) -> Round:
    """One round for the service, which ends early on `leave`, then forget what is old. Raises `LedgerError`."""
    config = load_config(orders)
    log_command(config)
    book = book_for(config, orders)
    with opened_outbox(book) as outbox:
        done = postman_for(config, outbox, SystemClock(), book).round(leave=leave)
    if leave():
        return done
    now = SystemClock().now()
    with book.post() as (outbox, alerts):
        outbox.forget(now - max(timedelta(days=config.outbox.keep_days), _SUMMARY_KEPT))
        alerts.forget(now - _ALERTS_KEPT)
    return done


def sent_directly(orders: Orders, lines: Iterable[str]) -> tuple[bool, list[str]]:
    """Letters as JSON lines, sent to the addresses of their kind without the outbox.

    Whether each of them arrived somewhere, and sentences on what became of them.
    """
    config = load_config(orders)
    log_command(config)
    letters = [_decoded(line) for line in lines if line.strip()]
    posts = [(letter, addresses_for(config, letter.kind)) for letter in letters]
    answers = send_directly(posts, carriers_for(config, book_for(config, orders).root.name))
    notes = []
    for (letter, _), known in zip(posts, answers, strict=True):
        for address, skip in known.items():
            way = f"{letter.letter_id} to {address.recipient}"
            notes.append(f"not sent: {way}: {skip.reason}" if skip else f"sent without the outbox: {way}")
        if not known:
            notes.append(f"not sent: {letter.letter_id}: neither mail nor push is set up")
    return all(None in known.values() for known in answers), notes


def encoded(letter: Letter) -> str:
    """One line for `sent_directly`."""
    return msgspec.json.encode(letter).decode()


def _decoded(line: str) -> Letter:
    try:
        return msgspec.json.decode(line, type=Letter)
    except msgspec.MsgspecError as error:
        raise RobotradingError(f"a line on standard input is no letter: {error}") from error


def _book(orders: Orders) -> Book:
    return book_for(load_config(orders), orders)


def _round(config: Config, book: Book, *, hurry: bool = False) -> Round:
    with opened_outbox(book) as outbox:
        return postman_for(config, outbox, SystemClock(), book).round(hurry=hurry)


def _found(outbox: Outbox, words: str) -> str:
    """A letter's id, by the whole or by a part that no other has. Raises `ConfigError` for an unknown one."""
    known = dict.fromkeys(one.letter_id for one in outbox.deliveries(_SEARCHED))
    if words in known:
        return words
    close = [one for one in known if words in one]
    if len(close) == 1:
        return close[0]
    if close:
        raise ConfigError(f"{words!r} is part of {len(close)} messages' ids, e.g. {close[0]} and {close[1]}")
    raise ConfigError(f"there is no message {words!r}; `robotrading messages` lists them")


def _nobody(config: Config, channels: Collection[Channel]) -> str:
    wanting = []
    if Channel.MAIL in channels and missing(config.mail):
        wanting.append(how_to_set_up(config.mail))
    if Channel.PUSH in channels and not config.alerts.push.split():
        wanting.append("push is not set up: put Apprise URLs apart by blanks into ROBOTRADING_PUSH_URLS")
    return "; ".join(wanting)


def _test_letter() -> Letter:
    now, host = SystemClock().now(), socket.gethostname()
    text = f"This is a test: robotrading on {host} was asked for it at {now:%Y-%m-%d %H:%M:%S} UTC."
    message = Message(f"robotrading: test message from {host}", text + "\n", f"<p>{escape(text)}</p>")
    return Letter(f"test:{now:%Y%m%dT%H%M%S.%f}", LetterKind.TEST, Urgency.NORMAL, now, message)
