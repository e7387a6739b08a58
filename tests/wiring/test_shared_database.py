"""Two hosts, one database: the same ledger under the same lease; another account is refused at the first touch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.domain.errors import LeaseLost, LedgerError
from robotrading.wiring.books import Book, holder_name
from tests.contract.ledgers import NOW, intent

CLOCK = SystemClock()


def test_what_one_host_claims_the_other_sees(tmp_path: Path, postgres_url: str) -> None:
    here, there = (Book(tmp_path / host / "paper-DU1", "paper", postgres_url) for host in ("here", "there"))
    with here.claims() as claims:
        lease = claims.claim(here.account, holder_name(), CLOCK.now(), 60)
    assert lease is not None
    with there.claims() as claims:
        assert claims.holder(there.account) == lease
        assert claims.claim(there.account, holder_name(), CLOCK.now(), 60) is None
    with here.ledger(lease) as ledger:
        ledger.record_intent(intent(), NOW)
    with there.ledger() as ledger:
        assert len(ledger.open_tickets()) == 1


def test_an_intent_needs_the_margin_by_the_clock_of_now_and_not_by_its_own_time(tmp_path: Path) -> None:
    book = Book(tmp_path / "paper-DU1", "paper")
    with book.claims() as claims:
        short = claims.claim(book.account, "one", CLOCK.now(), 5)
    assert short is not None
    long_ago = CLOCK.now() - timedelta(days=400)
    with book.ledger(short) as ledger, pytest.raises(LeaseLost, match=r"runs out at .* nothing is sent"):
        ledger.record_intent(intent(), long_ago)


def test_another_account_is_refused_there_whatever_it_wants(tmp_path: Path, postgres_url: str) -> None:
    paper, live = (Book(tmp_path / name, name[:5], postgres_url) for name in ("paper-DU1", "live-U1"))
    with paper.ledger():
        pass
    for touch in (live.ledger, live.claims):
        with pytest.raises(LedgerError, match="give this one a database of its own"), touch():
            pass


def test_holders_differ_even_in_one_process() -> None:
    assert holder_name() != holder_name()
    assert len(holder_name().split(":")) == 3
