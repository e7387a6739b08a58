"""What the service tells people, each in a child process: reports, letters of the outbox, the week's summary.

Entry points: `People`, `speech_for`.
Invariants: what draws and what sends is never loaded in the service; a child gets the secrets it needs and no other,
comes after those who answer, and ends within its bound.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from robotrading.adapters.notify.report.words import hide_accounts
from robotrading.config.model import Config
from robotrading.domain.errors import RobotradingError
from robotrading.domain.messages import Letter, LetterKind
from robotrading.domain.report import SessionReport
from robotrading.service.alerts.desk import Voice
from robotrading.service.alerts.words import Whence
from robotrading.service.setup import Speech
from robotrading.service.telling import Couriers, TellingSettings
from robotrading.service.weekly import parse
from robotrading.session.due import Missed
from robotrading.session.processes import command, give_way, stop_group
from robotrading.wiring.messages import encoded
from robotrading.wiring.post import addresses_for

log = logging.getLogger(__name__)

_DELIVER_SECONDS = 420.0
_ROUND_SECONDS = 600.0
_LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class People:
    """`secrets` are by the names of their variables: those that a child may need who tells people."""

    file: Path | None
    secrets: Mapping[str, str] = field(repr=False)

    async def deliver(self, report: SessionReport) -> Sequence[str]:
        """Pages beside the run's files, and mail where it is set up; notes for the log.

        Raises `RobotradingError` when the child could not.
        """
        return await self._whole("session-report", report.run_id, seconds=_DELIVER_SECONDS)

    async def missed(self, missed: Missed) -> Sequence[str]:
        """A note; the alert of its own is raised from what the ledger says."""
        occurrence = missed.occurrence
        return [
            f"{occurrence.kind}: the run due at {occurrence.due_at:%Y-%m-%d %H:%M} UTC was not made: {missed.reason}"
        ]

    async def round(self) -> None:
        """Try what is due in the outbox. Raises `RobotradingError` when the child could not."""
        _log(await self._whole("send-messages", seconds=_ROUND_SECONDS))

    async def direct(self, letters: Sequence[Letter]) -> bool:
        """Hand letters over without the outbox; whether each went to somebody."""
        lines = "".join(f"{encoded(letter)}\n" for letter in letters)
        try:
            said, code = await self._child("send-messages", "--direct", seconds=_ROUND_SECONDS, told=lines)
        except (OSError, TimeoutError) as error:
            log.error("letters could not be sent without the outbox: %s", error)  # noqa: TRY400  told
            return False
        _log(said.splitlines())
        return code == 0

    async def summary(self, day: date) -> None:
        """Post the summary of the week up to a day. Raises `RobotradingError` when the child could not."""
        _log(await self._whole("send-summary", "--week", str(day), seconds=_DELIVER_SECONDS))

    async def _whole(self, *words: str, seconds: float) -> Sequence[str]:
        """The lines it said, which are logged here where it failed."""
        try:
            said, code = await self._child(*words, seconds=seconds)
        except TimeoutError as error:
            raise RobotradingError(f"{words[0]} did not end within {seconds:g} s and was ended") from error
        lines = said.splitlines()
        if code:
            _log(lines)
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise RobotradingError(f"{words[0]} ended with {code}: {last[:_LAST_WORDS]}")
        return lines

    async def _child(self, *words: str, seconds: float, told: str = "") -> tuple[str, int]:
        """What it said, and its exit code. Raises OSError, TimeoutError."""
        place = ["--config", str(self.file.absolute())] if self.file else []
        process = await asyncio.create_subprocess_exec(
            *command(*words, *place),
            stdin=asyncio.subprocess.PIPE if told else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **self.secrets},
        )
        give_way(process)
        try:
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate(told.encode() or None)
        finally:
            await stop_group(process)
        return said.decode(errors="replace"), process.returncode or 0


def _log(lines: Sequence[str]) -> None:
    for line in lines:
        log.info("%s", line)


def speech_for(config: Config, people: People, title: str) -> Speech:
    """Who speaks to whom. Raises ValueError for a moment of the week that is none."""
    page = f"http://127.0.0.1:{config.service.port}/" if config.service.port else ""
    whence = Whence(hide_accounts(title, ()), socket.gethostname(), page)
    voice = Voice(whence, addresses_for(config, LetterKind.ALERT), people.direct)
    couriers = Couriers(people.round, people.direct, people.summary)
    return Speech(TellingSettings(config.alerts, parse(config.report.weekly)), voice, couriers)
