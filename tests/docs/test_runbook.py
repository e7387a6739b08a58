"""Every command of the runbook works: it is run in a world such as its chapter speaks of, or known to its program.

A block runs in its chapter's world, top to bottom. `# exit 4` behind a command is the exit code that it must have, `#>`
below it are words that it must say.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.cli.app import app
from robotrading.cli.exits import for_error
from robotrading.domain.alerts import Finding
from robotrading.domain.book import Account, Position
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.messages import Address, Channel, Letter, LetterKind, Urgency
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side
from robotrading.domain.report import Message, Outcome, SessionReport
from robotrading.service.alerts.words import Whence, raised
from robotrading.sim.exchange_types import AccountSeed
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.doctor import clock as clock_checks
from robotrading.wiring.doctor import disk as disk_checks
from robotrading.wiring.doctor import examine as examining
from robotrading.wiring.doctor import ledger as ledger_checks
from robotrading.wiring.doctor import machine as machine_checks
from robotrading.wiring.doctor.finding import fine
from robotrading.wiring.gateway import EMBEDDED_ACCOUNT, embedded_gateway
from tests.wire.session_config import write_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
D = Decimal
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
SYNAA = Instrument("SYNAA", AssetClass.EQUITIES)
EQ = AssetClass.EQUITIES
BUY = Intent(
    "rt-eq-20250926-SYNAA-B-1", "run-1", EQ, AT.date(), SYNAA, Side.BUY, D(10), OrderType.LIMIT, D(100), "below target"
)
_BLOCK = re.compile(r"^## (?P<title>[^\n]+)$|^ *```sh\n(?P<body>.*?)^ *```", re.MULTILINE | re.DOTALL)
_CODES = re.compile(r"\s+# exit (\d+(?: or \d+)*)$")


@dataclass(frozen=True)
class Step:
    """One command, the exit codes that are right, and words of its answer."""

    command: str
    codes: tuple[int, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A block of commands; `needs` names what it cannot be run without."""

    chapter: str
    number: int
    needs: str
    steps: tuple[Step, ...]


def blocks() -> list[Block]:
    found: list[Block] = []
    chapter = ""
    for match in _BLOCK.finditer(TEXT):
        if match["title"]:
            chapter = match["title"]
            continue
        lines = [line.strip() for line in match["body"].splitlines()]
        needs = lines.pop(0).removeprefix("# needs ") if lines[0].startswith("# needs ") else ""
        found.append(Block(chapter, len(found), needs, tuple(steps(lines))))
    return found


def steps(lines: list[str]) -> list[Step]:
    found: list[Step] = []
    for line in lines:
        if line.startswith("#> "):
            found[-1] = replace(found[-1], words=(*found[-1].words, line.removeprefix("#> ")))
            continue
        match = _CODES.search(line)
        codes = tuple(map(int, match[1].split(" or "))) if match else (0,)
        found.append(Step(_CODES.sub("", line), codes, ()))
    return found


ALL = blocks()
CHAPTERS = [*dict.fromkeys(block.chapter for block in ALL if not block.needs)]


# Worlds ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small configuration on the sample market, a bot that owns something, and one finished run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "400")
    for name in ("GMAIL_ADDRESS", "GMAIL_APP_PASSWORD", "RECIPIENT_EMAIL", "ROBOTRADING_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    write_config(tmp_path)
    monkeypatch.setattr(examining, "_program", _packages)  # looked at by its own tests
    monkeypatch.setattr(clock_checks, "synchronised", lambda: True)  # this machine's own weaknesses are not meant
    monkeypatch.setattr(disk_checks, "MOUNTS", tmp_path / "none")
    monkeypatch.setattr(machine_checks, "available", lambda: None)
    (tmp_path / "state" / "cache").mkdir(parents=True)
    book = the_book()
    with book.ledger() as ledger:
        bought = replace(BUY, intent_id="rt-eq-20250925-SYNAA-B-1", quantity=D(30))
        ledger.record_intent(bought, AT)
        fill = Fill("0001", bought.intent_id, SYNAA, Side.BUY, D(30), D(100), AT)
        ledger.append(OrderEvent(bought.intent_id, EventKind.FILL, AT, fill=fill))
        ledger.append(OrderEvent(bought.intent_id, EventKind.FILLED, AT))
        held = (Position(SYNAA, D(30), D(100)),)
        account = Account(EMBEDDED_ACCOUNT, "USD", D(9), D(9), {"USD": D(9)}, held, AT + timedelta(hours=1))
        report = SessionReport("run-1", EQ, "embedded", AT.date(), AT, AT, Outcome.DONE, "Done.", account=account)
        ledger.start_run("run-1", EQ, AT.date(), "embedded", AT)
        ledger.finish_run(report)
    run = book.run_folder("run-1")
    run.mkdir(parents=True)
    (run / "log.txt").write_text("the session has ended\n", encoding="utf-8")
    return tmp_path


async def _packages():
    yield fine("packages", "not looked at here")


def the_book() -> Book:
    return book_for(load_config(Orders()), Orders())


def hold(_folder: Path, _patch: pytest.MonkeyPatch) -> None:
    """The embedded account holds what the bot owns."""

    async def open_once() -> None:
        seed = AccountSeed(EMBEDDED_ACCOUNT, {"USD": D(1_000_000)}, ((SYNAA, D(30), D(100)),))
        config, book = load_config(Orders()), the_book()
        async with embedded_gateway(config, book, (), SystemClock(), ExchangeCalendar(), account=seed):
            pass

    asyncio.run(open_once())


def lose_an_order(_folder: Path, _patch: pytest.MonkeyPatch) -> None:
    with the_book().ledger() as ledger:
        ledger.record_intent(BUY, AT)
        ledger.append(OrderEvent(BUY.intent_id, EventKind.SENT, AT, protected=D(0)))
        ledger.append(OrderEvent(BUY.intent_id, EventKind.UNKNOWN, AT, reason="the broker lists it nowhere"))


def lose_money(_folder: Path, _patch: pytest.MonkeyPatch) -> None:
    with the_book().ledger() as ledger:
        ledger.stop_day(EMBEDDED_ACCOUNT, AT.date(), "the day has lost 6 %", AT)


def lose_the_gateway(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A paper account at a gateway, whose prices cannot be invented; none of the sources is there either."""
    del patch
    path = folder / "config.yaml"
    text = path.read_text(encoding="utf-8").replace("[synthetic]", "[yahoo]")
    text += "broker: {gateway: external, account: DU1234567, port: 1, quiet_times: []}\n"
    path.write_text(f"{text}feeds: {{yahoo: {{url: 'http://127.0.0.1:1'}}}}\n", encoding="utf-8")


def lose_the_database(folder: Path, patch: pytest.MonkeyPatch) -> None:
    lose_the_gateway(folder, patch)
    patch.setenv("ROBOTRADING_DATABASE_URL", "postgresql://bot:secret@127.0.0.1:1/ledger")


def lose_the_mail(folder: Path, patch: pytest.MonkeyPatch) -> None:
    with (folder / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("mail: {host: 127.0.0.1, port: 1}\n")
    patch.setenv("GMAIL_ADDRESS", "bot@example.com")
    patch.setenv("GMAIL_APP_PASSWORD", "secret")
    patch.setenv("RECIPIENT_EMAIL", "ann@example.com")
    now = SystemClock().now()
    with the_book().post() as (outbox, _):
        for name in ("run-1", "run-2"):
            letter = Letter(f"report:{name}", LetterKind.REPORT, Urgency.NORMAL, now, Message("Done", "Done.", "Done."))
            outbox.post(letter, [Address(Channel.MAIL, "ann@example.com")])
        lost = next(one for one in outbox.due(now) if one.letter_id == "report:run-1")
        taken = outbox.take(lost, now, 60)
        assert taken is not None
        outbox.give_up(taken, now, "mail_unreached", "nothing answers at 127.0.0.1:1")


def raise_an_alert(folder: Path, patch: pytest.MonkeyPatch) -> None:
    hold(folder, patch)
    now = SystemClock().now()
    with the_book().post() as (outbox, alerts):
        found = Finding("halted", Urgency.WARNING, "trading is halted: by hand", "`robotrading resume` ends it")
        alert = alerts.begin(found, now)
        assert alert is not None
        message = raised(alert, Whence("paper ***567"), now)
        letter = Letter(f"alert:halted:{now:%Y%m%d}:raised", LetterKind.ALERT, Urgency.WARNING, now, message)
        outbox.post(letter, [Address(Channel.PUSH, "ntfys 1")])


def damage(_folder: Path, _patch: pytest.MonkeyPatch) -> None:
    """What was booked of an execution is gone."""
    with closing(sqlite3.connect(the_book().root / "ledger.db")) as link, link:
        link.execute("DELETE FROM order_events WHERE kind = 'fill'")


def share(_folder: Path, _patch: pytest.MonkeyPatch) -> None:
    book = the_book()
    with book.claims() as claims:
        claims.claim(book.account, "other-host:4242:abcdef", SystemClock().now(), 600)


def copied(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The machine is a new one: there is a copy and no state."""
    hold(folder, patch)
    book = the_book()
    (folder / "copy").mkdir()
    with closing(sqlite3.connect(book.root / "ledger.db")) as link:
        link.execute("VACUUM INTO ?", (str(folder / "copy" / "ledger.db"),))
    (book.root / "ledger.db").unlink()


World = Callable[[Path, pytest.MonkeyPatch], None]
WORLDS: dict[str, World] = {
    "The bot has stopped": hold,
    "The gateway is gone": lose_the_gateway,
    "An order has no known end": lose_an_order,
    "Trading is halted": hold,
    "The day has lost too much": lose_money,
    "Mail does not arrive": lose_the_mail,
    "An alert has come": raise_an_alert,
    "The heartbeat is missed": hold,
    "The week's summary has not come": hold,
    "The ledger is damaged": damage,
    "Two copies": share,
    "The database is gone": lose_the_database,
    "When the machine is lost": copied,
    "From paper to live": hold,
}
"""Chapters that are about something else than a quiet day."""


# Laws ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_commands_of_a_chapter_do_what_it_says(chapter: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WORLDS.get(chapter, lambda *_: None)(folder, monkeypatch)
    for block in ALL:
        if block.chapter == chapter and not block.needs:
            for step in block.steps:
                code, said = ran(step.command, folder)
                assert code in step.codes, f"{step.command}: {code}\n{said}"
                for words in step.words:
                    assert words in said, f"{step.command}\n{said}"


def ran(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and everything that was said; our own command in this process, which saves its imports."""
    words = shlex.split(command)
    if words[0] != "robotrading":
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
        return done.returncode, done.stdout + done.stderr
    result = CliRunner().invoke(app, words[1:])
    if isinstance(result.exception, RobotradingError):
        return for_error(result.exception), f"{result.output}{result.exception}"
    return result.exit_code, result.output


def test_every_world_is_that_of_a_chapter() -> None:
    assert set(WORLDS) <= set(CHAPTERS)
    assert len(CHAPTERS) > 12
    assert sum(len(block.steps) for block in ALL) > 60


DEPLOY = subprocess.run(["bash", ROOT / "deploy.sh", "help"], capture_output=True, text=True, check=True).stdout
COMPOSE = {"up", "down", "ps", "logs", "restart", "stop", "start", "exec", "run", "config", "pull", "build"}
SYSTEMD = {
    "timedatectl": {"status", "set-ntp"},
    "systemctl": {"status", "start", "stop", "restart", "disable", "enable"},
    "chown": {"-R"},
}
POSTGRESQL = {"pg_isready", "psql", "pg_dump", "pg_restore"}
ELSEWHERE = [(block.needs, step.command) for block in ALL if block.needs for step in block.steps]


@pytest.mark.parametrize(("needs", "command"), sorted(set(ELSEWHERE)))
def test_a_command_for_another_machine_is_one_that_its_program_knows(needs: str, command: str) -> None:
    words = shlex.split(command)
    words = words[1:] if words[0] == "sudo" else words
    if words[0] == "./deploy.sh":
        assert re.search(rf"\b{words[1]}\b", DEPLOY), command
    elif words[:2] == ["docker", "compose"]:
        assert (needs, words[2] in COMPOSE) == ("docker", True)
    elif words[0] in SYSTEMD:
        assert (needs, words[1] in SYSTEMD[words[0]]) == ("systemd", True)
    else:
        assert (needs, words[0] in POSTGRESQL) == ("postgresql", True)


def test_the_commands_of_postgresql_do_what_the_runbook_says(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the server's own programs, where they are on the path."""
    monkeypatch.setenv("ROBOTRADING_DATABASE_URL", postgres_url)
    (tmp_path / "copy").mkdir()
    for _, command in [one for one in ELSEWHERE if one[0] == "postgresql"]:
        if shutil.which(shlex.split(command)[0]):
            code, said = ran(command, tmp_path)
            assert code == 0, f"{command}\n{said}"


def test_the_chapters_that_the_doctor_names_are_there() -> None:
    source = Path(ledger_checks.__file__).read_text(encoding="utf-8")
    titles = re.findall(r"docs/runbook.md, '([^']+)'", source)
    assert len(titles) == 2
    assert not [title for title in titles if f"## {title}\n" not in TEXT]


def test_links_within_the_page_lead_to_its_chapters() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors
