"""The outbox of a book, the ways out that a configuration has, and reports on their way through both.

Entry points: `opened_outbox`, `postman_for`, `addresses_for`, `carriers_for`, `post_reports`,
`untold_reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from robotrading.adapters.notify.mail import MailCarrier
from robotrading.adapters.notify.nomail import missing
from robotrading.adapters.notify.push import PushCarrier
from robotrading.adapters.notify.push_urls import named
from robotrading.config.model import Config
from robotrading.domain.claims import Claim
from robotrading.domain.messages import Address, Channel, Delivery, DeliveryState, Letter, LetterKind, Urgency
from robotrading.domain.ports import Clock, Ledger, Outbox
from robotrading.domain.report import Message, SessionReport
from robotrading.service.post.postman import Carrier, Postman, Round
from robotrading.service.post.postman import named as named_delivery
from robotrading.wiring.books import Book

Opening = Callable[[], AbstractContextManager[Outbox]]
"""Opens the outbox for a block; raises `LedgerError`."""

_PUSHED = frozenset({LetterKind.ALERT, LetterKind.TEST})
_POSTED = 1000
"""Among how many of the newest deliveries the letter of a run is looked for; a day has some dozens."""


@contextmanager
def opened_outbox(book: Book) -> Iterator[Outbox]:
    """The book's outbox while the block runs. Raises `LedgerError`."""
    with book.post() as (outbox, _):
        yield outbox


def carriers_for(config: Config, origin: str) -> Mapping[Channel, Carrier]:
    """The channels that are set up. `origin` names the account's book, so that ids of two books' mails differ."""
    found: dict[Channel, Carrier] = {}
    if not missing(config.mail):
        found[Channel.MAIL] = MailCarrier(config.mail, origin)
    if config.alerts.push.split():
        found[Channel.PUSH] = PushCarrier(config.alerts.push)
    return found


def addresses_for(config: Config, kind: LetterKind) -> tuple[Address, ...]:
    """Who is told: reports and summaries go by mail, alerts by mail (if `alerts.mail`) and push, a test everywhere."""
    wanted = kind is not LetterKind.ALERT or config.alerts.mail
    people = config.mail.recipients if wanted and not missing(config.mail) else ()
    pushes = tuple(named(config.alerts.push)) if kind in _PUSHED else ()
    mails = tuple(Address(Channel.MAIL, person) for person in dict.fromkeys(people))
    return mails + tuple(Address(Channel.PUSH, name) for name in pushes)


def postman_for(config: Config, outbox: Outbox, clock: Clock, book: Book) -> Postman:
    """Who carries this book's letters; he tells the alerts' addresses of what he gives up."""
    alarm = addresses_for(config, LetterKind.ALERT)
    return Postman(outbox, carriers_for(config, book.root.name), config.outbox, clock, alarm)


def report_letter(report: SessionReport, message: Message, clock: Clock) -> Letter:
    return Letter(report_letter_id(report.run_id), LetterKind.REPORT, Urgency.NORMAL, clock.now(), message)


def report_letter_id(run_id: str) -> str:
    """The same for whoever delivers the report of a run, so that it is posted once."""
    return f"report:{run_id}"


def untold_reports(config: Config, outbox: Outbox, ledger: Ledger, ended: Sequence[Claim]) -> list[SessionReport]:
    """Of ended occurrences the reports that should be letters and are none: their service died while it drew them.

    Raises `LedgerError`.
    """
    if not addresses_for(config, LetterKind.REPORT):
        return []
    posted = {one.letter_id for one in outbox.deliveries(_POSTED)}
    runs = [one.run_id for one in ended if report_letter_id(one.run_id) not in posted]
    return [report for run_id in runs if (report := ledger.report(run_id)) is not None]


@dataclass(frozen=True, slots=True)
class Posted:
    """Letters by their reports' kinds, and to whom they go."""

    letters: Mapping[str, Letter]
    addresses: tuple[Address, ...]


def post_reports(outbox: Outbox, posted: Posted) -> None:
    """Store them. Raises `LedgerError`."""
    for letter in posted.letters.values():
        outbox.post(letter, posted.addresses)


def notes_on(outbox: Outbox, posted: Posted, done: Round) -> list[str]:
    """What became of the reports, and of what had waited before them, for the terminal. Raises `LedgerError`."""
    fates = {kind: _fates(outbox, letter, posted.addresses, done) for kind, letter in posted.letters.items()}
    people = _plural(len(posted.addresses), "recipient")
    if all(fate.state is DeliveryState.SENT for ways in fates.values() for fate in ways):
        notes = [f"mail: {_plural(len(fates), 'report')} sent to {people}"]
    else:
        notes = _told_once([_note(kind, ways, people) for kind, ways in fates.items()])
    return notes + _others(posted, done)


def _fates(outbox: Outbox, letter: Letter, addresses: Sequence[Address], done: Round) -> list[Delivery]:
    """This round's word, else the outbox's: another process may have been quicker."""
    found = {address: done.fate(letter.letter_id, address) for address in addresses}
    if None in found.values():
        stored = {one.address: one for one in outbox.deliveries(1000) if one.letter_id == letter.letter_id}
        found = {address: fate or stored.get(address) for address, fate in found.items()}
    return [fate for fate in found.values() if fate is not None]


def _note(kind: str, ways: Sequence[Delivery], people: str) -> tuple[str, str]:
    """Which report, and what there is to say of it."""
    sent = sum(fate.state is DeliveryState.SENT for fate in ways)
    reasons: dict[str, list[str]] = {}
    for fate in ways:
        if fate.state is not DeliveryState.SENT:
            reasons.setdefault(_why(fate), []).append(fate.address.recipient)
    troubles = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return kind, f"sent to {sent} of {people}" + (f"; {troubles}" if troubles else "")


def _why(fate: Delivery) -> str:
    if fate.state is DeliveryState.WAITING:
        reason = fate.reason or "another process is sending it"
        return f"{reason}; it waits, next attempt at {fate.next_at:%H:%M} UTC"
    return f"{fate.reason}; see `robotrading messages`"


def _told_once(notes: Sequence[tuple[str, str]]) -> list[str]:
    """Reports that fared as the first one did are counted, not told again."""
    kind, first = notes[0]
    alike = sum(said == first for _, said in notes[1:])
    lines = [f"mail: {kind} report {first}"]
    lines += [f"mail: {other} report {said}" for other, said in notes[1:] if said != first]
    return lines + ([f"mail: {_plural(alike, 'other report')} likewise; all are on the disk"] if alike else [])


def _others(posted: Posted, done: Round) -> list[str]:
    """What went along with the reports."""
    ours = {letter.letter_id for letter in posted.letters.values()}
    digests = {one.digest for one in done.merged if one.letter_id in ours}
    sent = [one for one in done.sent if one.letter_id not in ours | digests]
    lost = [one for one in done.given_up if one.letter_id not in ours]
    notes = [f"messages: {_plural(len(sent), 'other message')} sent"] if sent else []
    return notes + [f"messages: given up: {named_delivery(one)}: {one.reason}" for one in lost]


def _plural(amount: int, noun: str) -> str:
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
