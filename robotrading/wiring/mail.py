"""After the runs: their reports on the disk for people, and by mail where mail is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from robotrading.adapters.notify.files import take_message, write_report_files
from robotrading.adapters.notify.mail import MailNotifier
from robotrading.adapters.notify.nomail import NoMail, how_to_set_up, missing
from robotrading.adapters.notify.report import message
from robotrading.adapters.notify.settings import MailSettings
from robotrading.adapters.notify.trouble import NO_CONNECTION
from robotrading.config.model import Config
from robotrading.domain.ports import Clock, Notifier
from robotrading.domain.report import Message, SessionReport
from robotrading.domain.skip import Skip
from robotrading.session.job import Job, read_report, write_report


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
) -> Delivery:
    """Write each report beside its run's files (`folders` by run id), then mail it to everyone in `config.mail`.

    Trouble with disk or mail becomes a note and is never raised: the trading is done. It blocks for a bounded time;
    call it outside the event loop. `mail` False keeps the reports on the disk. What `draw` did not make, or without
    one, is made here, without pictures and history.
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
    notes += _mailed(config.mail, reports, messages, clock) if mail and reports else []
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


def notifier_for(settings: MailSettings, clock: Clock) -> Notifier:
    """By mail where an account is set up, else the one that says what is wanting."""
    return NoMail(settings) if missing(settings) else MailNotifier(settings, clock)


def _mailed(
    settings: MailSettings, reports: Sequence[SessionReport], messages: Mapping[str, Message], clock: Clock
) -> list[str]:
    if missing(settings):
        return [how_to_set_up(settings)]
    notifier = notifier_for(settings, clock)
    told: dict[str, Mapping[str, Skip | None]] = {}
    for report in reports:
        told[report.kind] = notifier.send(messages[report.run_id], settings.recipients)
        if all(skip is not None and skip.rule in NO_CONNECTION for skip in told[report.kind].values()):
            break
    return _notes(told, len(reports) - len(told))


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
