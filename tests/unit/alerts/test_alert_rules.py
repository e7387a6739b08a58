"""Each trouble has its rule: found when it is there, silent when it is not, told alike by us and by Prometheus."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from robotrading.domain.alerts import Finding
from robotrading.domain.messages import Urgency, Waiting
from robotrading.domain.report import Outcome
from robotrading.service.alerts.catalogue import CATALOGUE, NAMES, WORSE, patience
from robotrading.service.alerts.figures import Figures, drawdown, figures_of, win_rate
from robotrading.service.alerts.rules import findings, spell, unended
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import BookFacts, BrokerFacts, ClosedTrade, EquityPoint, Facts, LinkState
from robotrading.service.supervisor import ProgramState, Standing
from tests.service.test_health import DOUBT, NOW, SESSION, WELL, changed, down, last, session

ROOT = Path(__file__).parents[3]
SETTINGS = AlertSettings(backup_age=3600.0)
FRESH = replace(WELL, backup_at=NOW)
HOUR = timedelta(hours=1)


def book(**changes: object) -> Facts:
    return changed(book=BookFacts(read_at=NOW, **changes))


def waiting(**changes: object) -> Facts:
    return changed(waiting=Waiting(**changes))


def found(facts: Facts, figures: Figures | None = None, settings: AlertSettings = SETTINGS) -> tuple[Finding, ...]:
    given = facts if facts.backup_at is not None else replace(facts, backup_at=NOW)
    return findings(given, figures or Figures(), settings, NOW)


BEFORE = NOW - HOUR
TROUBLE: dict[str, tuple[Facts, Figures]] = {
    "service_stopped:here": (changed(started_at=NOW, last_end="it ended without a word", holder="here:1:x"), Figures()),
    "service_stopped:host": (book(dead_copies=("host:42:abc",)), Figures()),
    "not_able_to_trade": (changed(at=NOW - timedelta(seconds=61)), Figures()),
    "disconnected": (down(6), Figures()),
    "ledger_trouble": (changed(book=BookFacts(read_at=NOW, trouble="database is locked")), Figures()),
    "disk_full": (changed(free_bytes=10**7), Figures()),
    "disk_fills_up": (changed(free_bytes=4 * 10**8), Figures()),
    "daily_loss": (book(day_stopped="lost 5 %"), Figures()),
    "drawdown": (WELL, Figures(drawdown=0.16, highest=Decimal(100_000))),
    "breaker_open:yahoo": (changed(breakers={"yahoo": True, "smtp": False}), Figures()),
    "session_failed:equities": (last(outcome=Outcome.FAILED), Figures()),
    "recovery_failed:equities": (last(recovered=False), Figures()),
    "session_past_deadline:equities": (session(running_since=NOW - timedelta(seconds=1801)), Figures()),
    "data_old:equities": (last(bars_behind=3), Figures()),
    "data_late:equities": (last(bars_behind=2), Figures()),
    "program_down:gateway": (changed(programs=(Standing("gateway", ProgramState.GIVEN_UP),)), Figures()),
    "mail_stuck": (waiting(deliveries=2, oldest=NOW - 2 * HOUR), Figures()),
    "schedule_trouble": (changed(schedule_trouble="no calendar"), Figures()),
    "session_missed:equities": (session(missed=("the service was down",)), Figures()),
    "session_partly:equities": (last(outcome=Outcome.PARTLY), Figures()),
    "order_in_doubt": (book(open_tickets=(replace(DOUBT, updated_at=BEFORE),)), Figures()),
    "halted": (book(halted="by hand"), Figures()),
    "win_rate": (WELL, Figures(win_rate=0.39, trades=5)),
    "sharpe": (WELL, Figures(sharpe=0.49)),
    "backup_old": (changed(backup_at=NOW - 2 * HOUR), Figures()),
}
FINE: dict[str, tuple[Facts, Figures]] = {
    "all is well": (WELL, Figures()),
    "a quiet time of the broker": (down(600, LinkState.QUIET), Figures()),
    "a bad end is long ago": (changed(last_end="it ended badly"), Figures()),
    "an order in doubt since a minute": (
        book(open_tickets=(replace(DOUBT, updated_at=NOW - timedelta(minutes=1)),)),
        Figures(),
    ),
    "mail that has just been written": (waiting(deliveries=2, oldest=NOW - timedelta(minutes=59)), Figures()),
    "a small drawdown": (WELL, Figures(drawdown=0.15, highest=Decimal(1))),
    "few trades": (WELL, Figures(win_rate=0.0, trades=4)),
    "trades that gain": (WELL, Figures(win_rate=0.4, trades=50)),
    "a good ratio": (WELL, Figures(sharpe=0.5)),
    "a session that is switched off": (session(enabled=False, missed=("off",)), Figures()),
    "a session that has not run": (session(last=None), Figures()),
    "a program that starts again": (changed(programs=(Standing("gateway", ProgramState.PAUSED),)), Figures()),
    "the service is stopping": (changed(stopping=True), Figures()),
    "the free space is not known": (changed(free_bytes=None), Figures()),
    "a start after a good end": (changed(started_at=NOW), Figures()),
    "nothing was ever written": (changed(started_at=NOW - 9 * HOUR), Figures()),
    "trades whose gain is not known": (WELL, Figures(win_rate=None, trades=5)),
    "a session within its deadline and a little": (session(running_since=NOW - timedelta(seconds=1799)), Figures()),
    "a run that asked for no prices": (last(bars_behind=None), Figures()),
}


@pytest.mark.parametrize("key", TROUBLE)
def test_each_trouble_is_one_finding_that_says_what_to_do(key: str) -> None:
    facts, figures = TROUBLE[key]
    (one,) = found(facts, figures)
    rule, _, subject = key.partition(":")
    assert (one.key, one.rule, one.subject) == (key, rule, subject)
    assert one.urgency is CATALOGUE[rule].urgency
    assert one.found
    assert one.remedy
    assert "SESSION" not in one.remedy


@pytest.mark.parametrize("name", FINE)
def test_none_of_these_is_a_finding(name: str) -> None:
    assert found(*FINE[name]) == ()


def test_every_rule_was_tried() -> None:
    assert {key.partition(":")[0] for key in TROUBLE} == set(NAMES)


@pytest.mark.parametrize("key", TROUBLE)
def test_a_muted_rule_is_silent_and_so_is_the_general_one(key: str) -> None:
    facts, figures = TROUBLE[key]
    assert found(facts, figures, replace(SETTINGS, muted=(key.partition(":")[0],))) == ()


def test_thresholds_of_nought_switch_their_rules_off() -> None:
    off = replace(SETTINGS, drawdown=0.0, win_rate=0.0, sharpe=-100.0, backup_age=0.0)
    worst = Figures(drawdown=0.99, highest=Decimal(1), win_rate=0.0, trades=99, sharpe=-150.0)
    assert findings(WELL, worst, off, NOW) == ()


def test_a_backup_that_was_never_made_is_found() -> None:
    (one,) = findings(WELL, Figures(), SETTINGS, NOW)
    assert (one.rule, one.found) == ("backup_old", "no backup was found")


def test_since_nobody_knows_when_is_since_the_start_of_the_service() -> None:
    nobody = changed(broker=BrokerFacts(LinkState.UNKNOWN), started_at=NOW - HOUR)
    (one,) = found(nobody)
    assert one.found == "the broker has not been reached for 1 h 00 min: nobody has looked"


def test_a_ledger_that_failed_from_the_start_is_told_once() -> None:
    assert [one.rule for one in found(changed(book=BookFacts(trouble="disk full")))] == ["ledger_trouble"]


@pytest.mark.parametrize(
    ("highest", "doubt", "said"),
    [
        (Decimal(100_000), "", "the account is 16.0% below its highest value, 100,000 USD"),
        (None, "", "the account has lost 16.0% since its best day, 2025-09-01, deposits and withdrawals aside"),
        (Decimal(9), "one is a guess", "the account is 16.0% below its highest value, 9 USD (one is a guess)"),
    ],
)
def test_a_drawdown_is_told_with_what_it_is_held_against(highest: Decimal | None, doubt: str, said: str) -> None:
    figures = Figures(drawdown=0.16, highest=highest, peak=date(2025, 9, 1), doubt=doubt)
    (one,) = found(book(currency="USD"), figures)
    assert one.found == said


def test_a_ledger_that_was_not_read_yet_is_the_general_trouble() -> None:
    (one,) = found(changed(book=BookFacts()))
    assert one.rule == "not_able_to_trade"


def test_given_up_messages_are_told_of_before_those_that_wait() -> None:
    (one,) = found(waiting(deliveries=2, oldest=NOW - 2 * HOUR, given_up=1))
    assert one.found == "1 message could not be delivered and will not be tried again"


def test_the_critical_ones_come_first() -> None:
    facts = replace(last(outcome=Outcome.FAILED), book=BookFacts(read_at=NOW, halted="by hand"), free_bytes=10**8)
    assert [one.rule for one in found(facts)] == ["session_failed", "halted", "disk_fills_up"]


def test_nobodys_account_and_no_line_break_is_in_a_finding() -> None:
    (one,) = found(replace(down(6), broker=replace(down(6).broker, reason="DU1234567 said\nno <b>")))
    assert one.found == "the broker has not been reached for 6 min: ******567 said no <b>"


@pytest.mark.parametrize(("key", "milder"), [
    ("disk_full", "disk_fills_up"),
    ("session_failed:equities", "session_partly:equities"),
    ("data_old:equities", "data_late:equities"),
])  # fmt: skip
def test_a_warning_is_not_over_when_its_trouble_has_grown(key: str, milder: str) -> None:
    facts, figures = TROUBLE[key]
    there = found(facts, figures)
    assert milder not in {one.key for one in there}
    assert milder in unended(facts, there)
    assert milder not in unended(WELL, found(WELL))


def test_rules_that_grow_are_a_warning_and_a_critical_one() -> None:
    assert all(CATALOGUE[one].urgency is Urgency.WARNING for one in WORSE)
    assert all(CATALOGUE[one].urgency is Urgency.CRITICAL for one in WORSE.values())


def test_in_a_quiet_time_nobody_knows_whether_the_broker_is_back() -> None:
    quiet = down(600, LinkState.QUIET)
    assert "disconnected" in unended(quiet, found(quiet))
    assert unended(WELL, found(WELL)) == frozenset()
    assert unended(WELL, found(book(halted="by hand"))) == frozenset()


def test_a_failed_run_is_named_in_the_command_that_shows_it() -> None:
    """The last run of all may be another session's."""
    (failed,) = found(last(outcome=Outcome.FAILED, run_id="20250926-194500-equities-1"))
    assert failed.remedy.startswith("`robotrading report 20250926-194500-equities-1` says why")
    assert "`robotrading run equities`" in failed.remedy


@pytest.mark.parametrize(("behind", "late"), [(1, "1 trading day late"), (2, "2 trading days late")])
def test_days_are_counted_as_a_person_would(behind: int, late: str) -> None:
    (one,) = found(last(bars_behind=behind))
    assert one.found.endswith(late)


def test_only_what_may_pass_by_itself_must_last() -> None:
    waits = {rule: patience(rule, SETTINGS) for rule in NAMES if patience(rule, SETTINGS)}
    minute = {"ledger_trouble": 60.0, "disk_full": 60.0, "schedule_trouble": 60.0, "disk_fills_up": 600.0}
    assert waits == {**minute, "not_able_to_trade": 300.0, "disconnected": 300.0, "breaker_open": 600.0}


def test_durations_are_written_as_finely_as_matters() -> None:
    said = [spell(seconds) for seconds in (-1, 59.9, 60, 3599, 3600, 7500, 172_799, 172_800)]
    assert said == ["0 s", "59 s", "1 min", "59 min", "1 h 00 min", "2 h 05 min", "47 h 59 min", "2 days"]


# The figures


def curve(*values: int) -> tuple[EquityPoint, ...]:
    return tuple(EquityPoint(NOW + timedelta(days=3 + day), Decimal(value)) for day, value in enumerate(values))


def test_the_drawdown_is_of_the_newest_value_from_the_highest() -> None:
    assert drawdown(curve(100, 120, 60, 90)) == 0.25
    assert drawdown(curve(100, 120)) == 0.0
    assert drawdown(()) is None
    assert drawdown(curve(0, -5)) is None


def test_a_gain_is_above_nought() -> None:
    trades = [ClosedTrade("A", NOW, Decimal(gain)) for gain in (1, 0, -1, 5)]
    assert win_rate(trades) == 0.5
    assert win_rate([]) is None


def test_figures_are_of_the_last_day_and_of_enough_days() -> None:
    old = ClosedTrade("A", NOW - timedelta(hours=25), Decimal(-1))
    new = ClosedTrade("B", NOW - timedelta(hours=23), Decimal(1))
    facts = book(trades=(old, new), equity=curve(100, 101, 102, 101, 99, 100, 98, 97, 99, 98))
    figures = figures_of(facts, NOW, 3)
    assert (figures.trades, figures.win_rate, figures.highest) == (1, 1.0, Decimal(102))
    assert figures.sharpe is not None
    assert figures_of(facts, NOW, 4).sharpe is None
    assert figures_of(WELL, NOW, 5) == Figures()


def test_a_ratio_is_low_when_it_was_on_every_day_of_a_week() -> None:
    falling = [100 - number + number % 2 for number in range(20)]
    figures = figures_of(book(equity=curve(*falling)), NOW, 6)
    assert figures.sharpe is not None
    assert figures.sharpe < 0
    better = [*falling[:-7], 120, 118, 125, 126, 119, 108, 100]
    figures = figures_of(book(equity=curve(*better)), NOW, 6)
    assert figures.sharpe is not None
    assert figures.sharpe > 0


# The documents


def test_every_rule_is_documented_with_its_keys_and_section() -> None:
    lines = (ROOT / "docs/alerts.md").read_text(encoding="utf-8").splitlines()
    headings = set(re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE))
    for rule, kind in CATALOGUE.items():
        (line,) = [one for one in lines if one.startswith(f"| `{rule}` |")]
        assert f"| {kind.urgency} |" in line
        assert all(f"`{key}`" in line for key in kind.keys)
        assert not kind.section or (kind.section in headings and f"[{kind.section}](runbook.md#" in line)
        assert all(hasattr(SETTINGS, key) for key in kind.keys)


def test_prometheus_calls_alike_things_alike() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
    theirs = {one["alert"]: one["labels"]["severity"] for group in rules["groups"] for one in group["rules"]}
    unseen = {"recovery_failed", "session_partly", "win_rate", "sharpe", "backup_old"}
    for rule in set(NAMES) - unseen:
        assert theirs["".join(part.capitalize() for part in rule.split("_"))] == CATALOGUE[rule].urgency.value, rule


def test_equities_are_what_the_table_speaks_of() -> None:
    assert SESSION.kind == "equities"
    assert Urgency.CRITICAL == "critical"
