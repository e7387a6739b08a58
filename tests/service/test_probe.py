"""The look at the broker: up, down with its reason, up again; quiet times; pauses that grow."""

from __future__ import annotations

import asyncio

from robotrading.execution.quiet import QuietTimes, window
from robotrading.service.facts import LinkState
from robotrading.service.probe import Looks, Probe
from tests.session.bench import ACCOUNT, build


def test_what_is_found_is_a_fact_and_never_an_error(tmp_path):
    bench = build(tmp_path)
    broker = bench.broker()
    probe = Probe(broker, bench.clock)
    seen = []

    async def scene() -> None:
        task = asyncio.create_task(probe.run())
        await asyncio.sleep(5)
        seen.append(probe.facts)
        broker.lose_connection()
        await asyncio.sleep(300)
        seen.append(probe.facts)
        task.cancel()
        await asyncio.wait([task])

    bench.virtually(scene())
    assert [one.state for one in seen] == [LinkState.UP, LinkState.UP]
    assert seen[0].account_id == ACCOUNT
    assert seen[0].since == seen[1].since
    assert seen[1].seen_at > seen[0].seen_at
    assert not broker.connected
    bench.ledger.close()


def test_nobody_logs_in_at_quiet_times(tmp_path):
    bench = build(tmp_path)
    broker = bench.broker()
    probe = Probe(broker, bench.clock, QuietTimes((window("00:00-23:59"),)))
    bench.virtually(probe.look())
    assert probe.facts.state is LinkState.QUIET
    assert probe.facts.reason
    assert not broker.connected
    bench.ledger.close()


def test_pauses_grow_after_failures_and_are_bounded():
    looks = Looks()
    pauses = [looks.pause(failures) for failures in range(12)]
    assert pauses[0] == looks.every
    assert pauses[1:] == sorted(pauses[1:])
    assert max(pauses) == looks.longest_pause
