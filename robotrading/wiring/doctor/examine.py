"""All checks, side by side, each with its own bound: one that fails or hangs hides no other.

Entry points: `examine`, `Request`, `Diagnosis`.
Invariants: no order is sent, no mail without being asked for, no ledger is changed; nothing is left behind in the state
folder; no secret of the configuration is in a finding.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from robotrading.adapters.feeds.http import redact
from robotrading.config.model import Config, GatewayKind
from robotrading.config.source import find_file
from robotrading.domain.ports import Calendar, Clock
from robotrading.wiring.books import Book, Orders, book_for
from robotrading.wiring.doctor import (
    calendar,
    clock,
    disk,
    gateway,
    ledger,
    machine,
    mail,
    messages,
    prices,
    program,
    service,
)
from robotrading.wiring.doctor.apart import apart
from robotrading.wiring.doctor.finding import Finding, Level, broken, left_out, worst
from robotrading.wiring.doctor.settings import read
from robotrading.wiring.logs import secrets_in
from robotrading.wiring.timetable import TABLE

SECONDS = 25.0
"""What one check may take."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for: of which configuration, without the network, with a mail to every recipient."""

    file: Path | None = None
    offline: bool = False
    test_mail: bool = False
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every finding, in the order in which a person reads them."""

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def level(self) -> Level:
        return worst(self.findings)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the checks are given. `scratch` is a folder that is thrown away.

    `days` works the calendar out, once for all: threads that import one large library at a time may each see a part.
    """

    config: Config
    book: Book
    request: Request
    clock: Clock
    scratch: Path
    days: asyncio.Future[Calendar]

    async def calendar(self) -> Calendar:
        """The exchange's; a check that gives up waiting takes it from no other."""
        return await asyncio.shield(self.days)


Findings = AsyncGenerator[Finding, None]
Check = Callable[[Scene], Findings]


async def examine(request: Request, wall: Clock) -> Diagnosis:
    """Look at everything; takes `request.seconds` and a little at most."""
    began = wall.monotonic()
    file = request.file or find_file(Path())
    config, remarks = read(file, request.env)
    with tempfile.TemporaryDirectory(prefix="robotrading-doctor-", ignore_cleanup_errors=True) as scratch:
        checks = {"packages": _program(), "clock": _clock(wall)}
        if config is not None:
            days = asyncio.ensure_future(apart(_exchange))
            scene = Scene(config, book_for(config, Orders(file)), request, wall, Path(scratch), days)
            checks |= {name: check(scene) for name, check in CHECKS.items()}
        found = await asyncio.gather(
            *(_collected(name, check, request.seconds) for name, check in checks.items()), return_exceptions=True
        )
    answers = [_survived(name, result) for name, result in zip(checks, found, strict=True)]
    findings = (*answers[0], *remarks, *(one for answer in answers[1:] for one in answer))
    secrets = secrets_in(config) if config is not None else ()
    return Diagnosis(tuple(_without(one, secrets) for one in findings), wall.monotonic() - began)


async def _collected(name: str, check: Findings, seconds: float) -> list[Finding]:
    """What a check finds within its time; what it found before it hung counts."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(seconds), aclosing(check) as findings:
            async for one in findings:
                found += (one,)  # one by one: what is found so far must outlive the timeout
    except TimeoutError:
        found.append(broken(name, f"no end within {seconds:g} s", "look there first: something does not answer"))
    return found


def _survived(name: str, result: list[Finding] | BaseException) -> list[Finding]:
    """A check that fails is a finding; an interrupt is none."""
    if isinstance(result, Exception):
        found = f"the check itself failed: {type(result).__name__}: {result}"
        return [broken(name, found, "please report it, with this line")]
    if isinstance(result, BaseException):
        raise result
    return result


def _without(one: Finding, secrets: tuple[str, ...]) -> Finding:
    return replace(one, found=redact(one.found, *secrets), remedy=redact(one.remedy, *secrets))


# The checks, in order ------------------------------------------------------------------------------------------------


async def _program() -> Findings:
    yield program.python()
    yield program.time_zones()
    async for one in program.packages():
        yield one


async def _clock(wall: Clock) -> Findings:
    yield clock.plausible(wall.now(), clock.installed_at())
    for one in clock.kept(clock.synchronised()):
        yield one


async def _clock_elsewhere(scene: Scene) -> Findings:
    if not scene.request.offline:
        yield await apart(partial(clock.against_the_web, clock.witnesses(scene.config), scene.clock))


async def _state(scene: Scene) -> Findings:
    for one in await apart(partial(_look_at_disk, scene.config.state_dir, scene.request.file)):
        yield one


def _look_at_disk(folder: Path, file: Path | None) -> list[Finding]:
    secret = (Path(".env"), *((file.parent / ".env",) if file else ()))
    mounts = disk.MOUNTS.read_text(encoding="utf-8") if disk.MOUNTS.exists() else ""
    found = [*disk.state_folder(folder), *disk.secret_files(tuple(dict.fromkeys(secret))), disk.free_space(folder)]
    return [*found, *disk.file_system(folder, mounts), disk.logs(folder)]


async def _memory(scene: Scene) -> Findings:
    yield machine.memory(scene.config, machine.available())


async def _calendar(scene: Scene) -> Findings:
    yield calendar.next_day(await scene.calendar(), scene.clock.now())
    for one in calendar.table(scene.config.state_dir / TABLE, scene.clock.now()):
        yield one


def _exchange() -> Calendar:
    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415  a second, beside the others

    return ExchangeCalendar()


async def _ledger(scene: Scene) -> Findings:
    if not scene.book.url:
        path, now = scene.book.root / "ledger.db", scene.clock.now()
        found = await apart(lambda: list(ledger.file(path, scene.scratch, now)))
    elif scene.request.offline:
        found = [left_out("database", "not asked (--offline)")]
    else:
        url, account = scene.book.url, scene.book.account
        found = await apart(lambda: list(ledger.database(url, account, scene.clock)))
    for one in found:
        yield one


async def _gateway(scene: Scene) -> Findings:
    config = scene.config
    if config.broker.gateway is GatewayKind.EMBEDDED:
        book = gateway.scratch_book(scene.scratch)
        findings = gateway.embedded(config, book, scene.clock, await scene.calendar())
    elif scene.request.offline:
        yield left_out(gateway.PART, "not asked (--offline)")
        return
    else:
        instruments = tuple(prices.first_instruments(config, scene.clock).values())
        findings = gateway.external(config, gateway.settings_for(config), instruments, scene.clock)
    async for one in findings:
        yield one


async def _prices(scene: Scene) -> Findings:
    config, wall, offline = scene.config, scene.clock, scene.request.offline
    days = await scene.calendar()
    wanted = prices.questions(config, wall, offline=offline)
    answers = await asyncio.gather(
        *(apart(partial(prices.ask, config, one, days, wall, scene.scratch)) for one in wanted)
    )
    for one in (*prices.judge(answers), *prices.not_asked(config, wall, offline=offline)):
        yield one


async def _universes(scene: Scene) -> Findings:
    for kind in scene.config.enabled:
        yield await apart(partial(prices.universe, scene.config, kind, scene.clock, offline=scene.request.offline))


async def _mail(scene: Scene) -> Findings:
    settings = scene.config.mail
    found = list(mail.addresses(settings))
    for one in found:
        yield one
    if found:
        return
    if scene.request.offline:
        yield left_out(mail.PART, "not asked (--offline)")
        return
    login = await apart(partial(mail.server, settings))
    yield login
    if scene.request.test_mail and login.level is Level.FINE:
        sent: Iterable[Finding] = await apart(lambda: list(mail.try_mail(settings, scene.clock, socket.gethostname())))
        for one in sent:
            yield one


async def _messages(scene: Scene) -> Findings:
    alerts, offline = scene.config.alerts, scene.request.offline
    if alerts.push.split():
        found: Iterable[Finding] = await apart(lambda: list(messages.pushes(alerts.push)))
        for one in found:
            yield one
    yield messages.audience(scene.config)
    yield await apart(lambda: messages.heartbeat(alerts.heartbeat_url, offline=offline))


async def _service(scene: Scene) -> Findings:
    if scene.request.offline:  # nor may a service that has failed forbid the upgrade that mends it
        yield left_out(service.PART, "not asked (--offline)")
        return
    yield await apart(lambda: service.health(scene.config.service, service.unit_state()))


CHECKS: Mapping[str, Check] = {
    "state folder": _state,
    "memory": _memory,
    "time": _clock_elsewhere,
    "calendar": _calendar,
    "ledger": _ledger,
    "gateway": _gateway,
    "prices": _prices,
    "universe": _universes,
    "mail": _mail,
    "alerts": _messages,
    "service": _service,
}
"""In the order in which a person reads them; they run side by side."""
