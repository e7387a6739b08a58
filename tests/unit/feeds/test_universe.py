"""Laws of `load_universe`: every listed symbol is taken or has a reason."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.adapters.feeds.universe import load_universe, plain_symbol, read_symbol_file
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.market import Constituent
from robotrading.session.settings import UniverseKind, UniverseSettings


@dataclass(frozen=True)
class Members:
    """A source of index members whose list is known."""

    members: tuple[Constituent, ...]
    name: str = "known"

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        assert index == "sp500"
        return self.members


def load(asset_class=AssetClass.EQUITIES, **choice):
    return load_universe(UniverseSettings(**choice), asset_class, None)


def symbols(universe) -> list[str]:
    return [instrument.symbol for instrument in universe[0]]


def test_a_list_keeps_its_order_and_takes_the_settings_of_the_exchange():
    found = load(
        AssetClass.CRYPTO, symbols=("BTC-USD", "ETH-USD"), exchange="PAXOS", currency="USD", tick=Decimal("0.25"),
        lot=Decimal("0.0001"), min_quantity=Decimal("0.001"),
    )  # fmt: skip
    instruments, weights, skips = found
    assert symbols(found) == ["BTC-USD", "ETH-USD"]
    assert (weights, skips) == (None, ())
    bitcoin = instruments[0]
    assert (bitcoin.exchange, bitcoin.tick, bitcoin.lot, bitcoin.min_quantity, bitcoin.key) == (
        "PAXOS", Decimal("0.25"), Decimal("0.0001"), Decimal("0.001"), "CRYPTO:BTC-USD:USD",
    )  # fmt: skip


def test_what_cannot_be_a_symbol_or_comes_twice_has_a_reason():
    found = load(symbols=("AAPL", "aapl", "brk.b", "", "NOT A SYMBOL", "$%"))
    assert symbols(found) == ["AAPL", "BRK-B"]
    assert [(skip.subject, skip.rule) for skip in found[2]] == [
        ("AAPL", "duplicate"), ("(empty)", "symbol"), ("NOT A SYMBOL", "symbol"), ("$%", "symbol"),
    ]  # fmt: skip


@given(st.lists(st.text("abAB1.-/ ^=$", max_size=6), max_size=12))
def test_taken_and_left_out_add_up(listed):
    try:
        instruments, _, skips = load(symbols=("OK", *listed))
    except ConfigError:
        pytest.fail("OK is a symbol")
    assert len(instruments) + len(skips) == len(listed) + 1
    assert len({instrument.symbol for instrument in instruments}) == len(instruments)


@pytest.mark.parametrize(
    "text, symbol",
    [
        ("brk.b", "BRK-B"),
        ("BRK/B", "BRK-B"),
        ("BRKB", "BRK-B"),
        ("BFB", "BF-B"),
        ("BF.B", "BF-B"),
        ("6309.T", "6309.T"),
        ("SHOP.TO", "SHOP.TO"),
        ("CMCSA", "CMCSA"),
        ("GOOGL", "GOOGL"),
        (" ^GSPC ", "^GSPC"),
        ("BTC-USD", "BTC-USD"),
    ],
)
def test_symbols_are_changed_only_where_it_is_certain(text, symbol):
    assert plain_symbol(text) == symbol


INDEX = Members(
    (
        *(Constituent(f"S{n}", f"Company {n}", Decimal(n) / 100) for n in (3, 1, 2)),
        Constituent("BRK-B", "Berkshire", Decimal("0.5")),
    )
)


def test_the_heaviest_of_an_index_with_their_weights_in_the_whole_of_it():
    found = load_universe(UniverseSettings(kind=UniverseKind.SP500, top=2), AssetClass.EQUITIES, INDEX)
    assert symbols(found) == ["BRK-B", "S3"]
    assert list(found[1].values()) == [Decimal("0.5"), Decimal("0.03")]
    assert found[0][0].name == "Berkshire"


def test_top_zero_keeps_all():
    found = load_universe(UniverseSettings(kind=UniverseKind.SP500), AssetClass.EQUITIES, INDEX)
    assert symbols(found) == ["BRK-B", "S3", "S2", "S1"]


def from_file(tmp_path, text: str, **choice):
    path = tmp_path / "list.csv"
    path.write_text(text)
    settings = UniverseSettings(kind=UniverseKind.FILE, file=str(path), **choice)
    return load_universe(settings, AssetClass.EQUITIES, None)


@pytest.mark.parametrize("heading", ["Symbol", "symbol", "ticker", " TICKER "])
def test_a_file_says_symbol_in_several_ways(tmp_path, heading):
    found = from_file(tmp_path, f"rank,{heading},Security\n1,AAPL,Apple\n2,BRK.B,Berkshire\n")
    assert symbols(found) == ["AAPL", "BRK-B"]
    assert found[1] is None
    assert found[0][0].name == "Apple"


@pytest.mark.parametrize(
    "text",
    [
        "symbol,weight_pct\nA,60\nB,40.0\n",
        "symbol,weight\nA,0.6\nB,0.4\n",
        "symbol,weight\nA,60%\nB,40%\n",
        "\ufeffsymbol,weight\nA,0.6\nB,0.4\n",
    ],
)
def test_weights_of_a_file_become_fractions(tmp_path, text):
    assert [float(weight) for weight in from_file(tmp_path, text)[1].values()] == [0.6, 0.4]


def test_a_missing_weight_leaves_the_file_without_weights(tmp_path):
    found = from_file(tmp_path, "symbol,weight_pct\nA,\nB,40\n")
    assert symbols(found) == ["B", "A"]
    assert found[1] is None


def test_former_members_are_left_out_and_counted(tmp_path):
    found = from_file(tmp_path, "ticker,start_date,end_date\nA,2000-06-05,\nZZZ,1999-12-08,2017-06-19\n")
    assert symbols(found) == ["A"]
    assert "1 former members" in found[2][0].reason


def test_top_of_a_file_without_weights_is_its_beginning(tmp_path):
    assert symbols(from_file(tmp_path, "symbol\nC\nA\nB\n", top=2)) == ["C", "A"]


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "it has: nothing"),
        ("name,price\nA,1\n", "it has: name, price"),
        ("symbol,weight\nA,much\n", "'much'"),
        ("symbol,weight\nA,-1\n", "at least 0"),
        ("symbol,weight\nA,NaN\n", "'NaN'"),
        ("symbol\n$$$\n", "the equities universe is empty"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, says):
    with pytest.raises(ConfigError, match="universe") as caught:
        from_file(tmp_path, text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "choice, says",
    [
        ({"kind": UniverseKind.FILE}, "universe.file is empty"),
        ({"kind": UniverseKind.FILE, "file": "/nowhere/list.csv"}, "cannot be read"),
        ({"kind": UniverseKind.SP500}, "no source of index members"),
        ({"kind": "dax"}, "allowed are list, sp500, file"),
        ({}, "empty"),
    ],
)
def test_a_choice_that_cannot_be_followed_says_why(choice, says):
    with pytest.raises(ConfigError) as caught:
        load(**choice)
    assert says in str(caught.value)


def test_bytes_that_are_no_text_say_so(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"symbol\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_symbol_file(path)


def test_the_real_lists_are_read(shared):
    data = shared / "data"
    ivv = UniverseSettings(kind=UniverseKind.FILE, file=str(data / "sp500_weights_ivv_2024-12-06.csv"), top=10)
    found = load_universe(ivv, AssetClass.EQUITIES, None)
    assert symbols(found)[0] == "AAPL"
    assert float(sum(found[1].values())) == pytest.approx(0.35, abs=0.05)
    whole = UniverseSettings(kind=UniverseKind.FILE, file=ivv.file)
    assert {"BRK-B", "BF-B"} <= set(symbols(load_universe(whole, AssetClass.EQUITIES, None)))
    members = UniverseSettings(kind=UniverseKind.FILE, file=str(data / "sp500_constituents_2026-08.csv"))
    assert len(load_universe(members, AssetClass.EQUITIES, None)[0]) == 503
    history = UniverseSettings(kind=UniverseKind.FILE, file=str(data / "sp500_membership_1996_2025.csv"))
    assert 450 <= len(load_universe(history, AssetClass.EQUITIES, None)[0]) <= 520
