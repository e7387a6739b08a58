"""After the runs: their reports on the disk for people, and by mail where mail is set up.

A report is put into the outbox first and sent from there, so that what does not leave now is tried later. Where
there is no outbox, or it cannot be written, the mails are sent directly, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from robotrading.adapters.notify.files import take_message, write_report_files
from robotrading.adapters.notify.nomail import how_to_set_up, missing
from robotrading.adapters.notify.report import message
from robotrading.adapters.notify.trouble import NO_CONNECTION
from robotrading.config.model import Config
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Letter, LetterKind
from robotrading.domain.ports import Clock, Outbox
from robotrading.domain.report import Message, SessionReport
from robotrading.domain.skip import Skip
from robotrading.service.post.direct import send_directly
from robotrading.service.post.postman import Postman
from robotrading.session.job import Job, read_report, write_report
from robotrading.wiring.post import Opening, Posted, addresses_for, carriers_for, notes_on, post_reports, report_letter


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the reports: the pages on the disk, and sentences for the terminal."""

    pages: tuple[Path, ...]
    notes: tuple[str, ...]


Draw = Callable[[Sequence[str]], str]
"""Makes pages, texts and messages of these runs beside their files; '' or why not. See `pages.in_a_child`."""


def deliver(  # noqa: PLR0913  what to tell, where, and how
    config: Config,
    reports: Sequence[SessionReport],
    folders: Mapping[str, Path],
    clock: Clock,
    *,
    mail: bool = True,
    draw: Draw | None = None,
    post: ByPost | None = None,
) -> Delivery:
    """Write each report beside its run's files (`folders` by run id), then mail it to everyone in `config.mail`.

    Trouble with disk or mail becomes a note and is never raised: the trading is done. It blocks for a bounded time;
    call it outside the event loop. `mail` False keeps the reports on the disk; without `post` they are sent
    directly. What `draw` did not make, or without one, is made here, without pictures and history.
    """
    notes = [f"report: {why}; they are without pictures" for why in [_drawn(reports, folders, draw)] if why]
    pages: list[Path] = []
    messages: dict[str, Message] = {}
    for report in reports:
        folder = folders[report.run_id]
        made = take_message(folder)
        messages[report.run_id] = made or message(report)
        try:
            pages.append(folder / "report.html" if made else write_report_files(report, folder)[0])
        except OSError as error:
            notes.append(f"report: the {report.kind} report could not be written: {error}; it is in the ledger")
    if mail and reports and missing(config.mail):
        notes.append(how_to_set_up(config.mail))
    elif mail and reports:
        letters = {str(one.kind): report_letter(one, messages[one.run_id], clock) for one in reports}
        notes += _posted(config, letters, post) if post else _mailed(config, letters)
    return Delivery(tuple(pages), tuple(notes))


def _drawn(reports: Sequence[SessionReport], folders: Mapping[str, Path], draw: Draw | None) -> str:
    """Leave the JSON where a session's process died before it could write it, then have the pages made."""
    for report in reports:
        folder = folders[report.run_id]
        job = Job(run_id=report.run_id, kind=report.kind, folder=str(folder))
        if read_report(job) is None:
            with suppress(OSError):  # told where the page is written
                folder.mkdir(parents=True, exist_ok=True)
                write_report(job, report)
    return draw([report.run_id for report in reports]) if draw and reports else ""


@dataclass(frozen=True, slots=True)
class ByPost:
    """How reports get into the outbox, and who carries them. `origin`: see `carriers_for`."""

    outbox: Opening
    postman: Callable[[Outbox], Postman]
    origin: str = ""


def _posted(config: Config, letters: Mapping[str, Letter], post: ByPost) -> list[str]:
    """Stored, then tried at once. What the ledger refuses to store is sent all the same."""
    posted, stored = Posted(letters, addresses_for(config, LetterKind.REPORT)), False
    try:
        with post.outbox() as outbox:
            post_reports(outbox, posted)
            stored = True
            return notes_on(outbox, posted, post.postman(outbox).round())
    except LedgerError as error:
        if stored:
            return [f"mail: the reports are in the outbox, and what has not left is tried later: {error}"]
        directly = f"mail: the outbox could not be written, so the reports are sent directly, once: {error}"
        return [directly, *_mailed(config, letters, post.origin)]


def _mailed(config: Config, letters: Mapping[str, Letter], origin: str = "") -> list[str]:
    addresses = addresses_for(config, LetterKind.REPORT)
    answers = send_directly([(letter, addresses) for letter in letters.values()], carriers_for(config, origin))
    told: dict[str, Mapping[str, Skip | None]] = {}
    for kind, known in zip(letters, answers, strict=True):
        told[kind] = {address.recipient: skip for address, skip in known.items()}
        if all(skip is not None and skip.rule in NO_CONNECTION for skip in told[kind].values()):
            break
    return _notes(told, len(letters) - len(told))


def _notes(told: Mapping[str, Mapping[str, Skip | None]], untried: int) -> list[str]:
    """One line when all went well, else one for each report with its troubles."""
    everyone = len(next(iter(told.values())))
    if not any(skip for answers in told.values() for skip in answers.values()):
        return [f"mail: {_plural(len(told), 'report')} sent to {_plural(everyone, 'recipient')}"]
    notes = [_note(kind, answers) for kind, answers in told.items()]
    if untried:
        notes.append(f"mail: {_plural(untried, 'other report')} not tried, for the same reason; all are on the disk")
    return notes


def _note(kind: str, answers: Mapping[str, Skip | None]) -> str:
    skips = [skip for skip in answers.values() if skip]
    sent = f"mail: {kind} report sent to {len(answers) - len(skips)} of {_plural(len(answers), 'recipient')}"
    if not skips:
        return sent
    reasons: dict[str, list[str]] = {}
    for skip in skips:
        reasons.setdefault(skip.reason, []).append(skip.subject)
    return f"{sent}; " + "; ".join(f"{', '.join(people)}: {reason}" for reason, people in reasons.items())


def _plural(amount: int, noun: str) -> str:
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
