"""The store of bars: whole or absent, shared by threads and processes, bounded."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.adapters.cache.bars import MEGABYTE, BarCache
from robotrading.adapters.cache.files import write_atomically
from robotrading.adapters.cache.packed import Corrupt, Entry, pack, unpack
from robotrading.adapters.clock import FixedClock
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, Bars, Interval, PriceBasis

NOW = datetime(2025, 9, 26, 22, tzinfo=UTC)
KO = Instrument("KO", AssetClass.EQUITIES)


def entry(instrument: Instrument = KO, n: int = 50, level: float = 60.0, at: datetime = NOW) -> Entry:
    days = np.datetime64("2025-01-01") + np.arange(n)
    bars = Bars.from_closes(instrument, days, level + np.arange(n) / 7, as_of=at, source="yahoo")
    bars = replace(bars, volume=np.where(np.arange(n) == 3, np.nan, 1e6), basis=PriceBasis.ADJUSTED)
    return Entry(bars, at, at - timedelta(days=3), date(2024, 12, 1), date(2025, 9, 26))


def cache(folder: Path, at: datetime = NOW, **bounds) -> BarCache:
    return BarCache(CacheSettings(directory=str(folder), **bounds), FixedClock(at))


def stock(number: int) -> Instrument:
    return Instrument(f"S{number:03d}", AssetClass.EQUITIES)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "bars").glob("*.bars"))


def test_what_is_stored_comes_back_the_same(tmp_path):
    kept = entry()
    assert cache(tmp_path).store([kept]) == ()
    found = cache(tmp_path).load([KO])[KO]
    for name in ("dates", *COLUMNS):
        assert np.array_equal(getattr(found.bars, name), getattr(kept.bars, name), equal_nan=name != "dates")
        assert not getattr(found.bars, name).flags.writeable
    assert replace(found, bars=kept.bars) == kept
    assert (found.bars.source, found.bars.as_of, found.bars.basis) == ("yahoo", NOW, PriceBasis.ADJUSTED)


def test_the_instrument_that_comes_back_is_the_one_asked_for(tmp_path):
    fund = Instrument("TLT", AssetClass.BONDS)
    cache(tmp_path).store([entry(Instrument("TLT", AssetClass.EQUITIES))])
    assert cache(tmp_path).load([fund])[fund].bars.instrument.asset_class is AssetClass.BONDS


def test_what_is_not_there_is_absent(tmp_path):
    empty = cache(tmp_path / "nowhere")
    assert empty.load([KO]) == {}
    assert (empty.stats().series, empty.stats().misses, empty.size(), empty.clear()) == (0, 1, 0, 0)


def test_symbols_that_look_alike_are_kept_apart(tmp_path):
    odd = [
        Instrument(symbol, AssetClass.EQUITIES)
        for symbol in ("BRK-B", "BRK.B", "BRK/B", "BRK_B", "../BRK", "^GSPC", "brk-b")
    ]
    euro = Instrument("BRK-B", AssetClass.EQUITIES, currency="EUR")
    cache(tmp_path).store([entry(i, level=10.0 + k) for k, i in enumerate([*odd, euro])])
    found = cache(tmp_path).load([*odd, euro])
    assert [found[i].bars.close[0] for i in [*odd, euro]] == [10.0 + k for k in range(8)]
    assert len(files(tmp_path)) == 8
    assert all(path.parent == tmp_path / "bars" for path in tmp_path.rglob("*.bars"))


@settings(max_examples=60)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(data):
    content = pack(entry(n=20))
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Corrupt):
        unpack(bytes(changed), KO, Interval.DAY)


@settings(max_examples=30)
@given(length=st.integers(0, 1000))
def test_no_cut_goes_unnoticed(length):
    content = pack(entry(n=20))
    with pytest.raises(Corrupt):
        unpack(content[:-1][:length], KO, Interval.DAY)


def test_a_whole_file_of_something_else_is_corrupt():
    with pytest.raises(Corrupt, match="not STK:PEP:USD"):
        unpack(pack(entry()), Instrument("PEP", AssetClass.EQUITIES), Interval.DAY)


@pytest.mark.parametrize("header", [b'{"key": "STK:KO:USD", "interval": "1d"}', b"[]", b"no json at all"])
def test_a_file_of_another_make_is_corrupt(header):
    length = struct.pack("<I", len(header))
    content = b"RTBARS01" + struct.pack("<I", zlib.crc32(header, zlib.crc32(length))) + length + header
    with pytest.raises(Corrupt, match="another make"):
        unpack(content, KO, Interval.DAY)


def test_a_failed_write_leaves_the_old_content_and_no_rubbish(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    (target / "inside").write_text("x")
    with pytest.raises(OSError, match=r"[Dd]irectory"):
        write_atomically(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[: len(raw) // 2], lambda raw: raw[:-9] + b"x" + raw[-8:], lambda raw: raw[:0]]
)
def test_a_corrupt_file_is_a_miss_and_is_removed(tmp_path, damage):
    cache(tmp_path).store([entry()])
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    store = cache(tmp_path)
    assert store.load([KO]) == {}
    assert not path.exists()
    assert store.stats().corrupt == 1
    store.store([entry()])
    assert KO in store.load([KO])


def test_the_least_recently_used_go_first_and_never_what_this_run_uses(tmp_path):
    size = len(pack(entry(n=3000)))
    fits = MEGABYTE // size
    old = cache(tmp_path, NOW, max_mb=0)
    for number in range(fits):
        cache(tmp_path, NOW, max_mb=100).store([entry(stock(number), n=3000)])
    for number in range(fits):
        moment = (NOW + timedelta(hours=number)).timestamp()
        os.utime(old._path(stock(number), Interval.DAY), (moment, moment))
    run = cache(tmp_path, NOW + timedelta(days=9), max_mb=1)
    assert stock(0) in run.load([stock(0)]), "the oldest, but in use"
    run.store([entry(stock(900), n=3000), entry(stock(901), n=3000)])
    left = cache(tmp_path).load([*(stock(k) for k in range(fits)), stock(900), stock(901)])
    assert run.size() <= MEGABYTE
    assert {stock(0), stock(900), stock(901)} <= set(left)
    assert stock(1) not in left
    assert stock(2) not in left
    assert run.stats().evicted == fits + 2 - len(left)


def test_a_bound_smaller_than_the_run_keeps_the_run(tmp_path):
    run = cache(tmp_path, max_mb=0)
    run.store([entry(stock(k)) for k in range(5)])
    assert run.stats().series == 5
    assert run.size() > run.stats().bound
    cache(tmp_path, max_mb=0).store([entry(KO)])
    assert len(files(tmp_path)) == 1, "the next run has no use for them"


def test_what_a_killed_writer_left_is_swept(tmp_path):
    store = cache(tmp_path)
    store.store([entry()])
    old, young = tmp_path / "bars" / ".a.tmp", tmp_path / "bars" / ".b.tmp"
    for path, age in ((old, 7200), (young, 60)):
        path.write_bytes(b"half")
        os.utime(path, (NOW.timestamp() - age,) * 2)
    store.store([entry()])
    assert (old.exists(), young.exists()) == (False, True)


def test_counts_and_sizes_are_shown_and_all_can_be_forgotten(tmp_path):
    store = cache(tmp_path, max_mb=7)
    store.store([entry(stock(k)) for k in range(4)])
    store.load([stock(0), stock(1), stock(99)])
    stats = store.stats()
    assert (stats.series, stats.hits, stats.misses, stats.bound) == (4, 2, 1, 7 * MEGABYTE)
    assert stats.size == store.size() == sum(path.stat().st_size for path in files(tmp_path))
    store.forget([stock(0), stock(99)])
    assert store.stats().series == 3
    assert store.clear() == 3
    assert store.load([stock(1)]) == {}


def test_a_cache_needs_a_directory():
    with pytest.raises(ValueError, match=r"feeds\.cache\.directory"):
        BarCache(CacheSettings(), FixedClock(NOW))


def test_a_directory_that_cannot_be_written_is_told_and_not_raised(tmp_path):
    (tmp_path / "bars").write_text("in the way")
    (skip,) = cache(tmp_path).store([entry()])
    assert (skip.subject, skip.rule) == ("KO", "cache_write")
    assert str(tmp_path) in skip.reason


def consistent(found: Entry) -> bool:
    """Each writer writes one level throughout, so that a mixture of two would show."""
    return len(np.unique(np.round(found.bars.close - np.arange(len(found.bars)) / 7, 6))) == 1


def test_threads_never_see_half_a_series(tmp_path):
    store, wrong, done = cache(tmp_path), [], threading.Event()
    store.store([entry(n=2000)])

    def write(level: float) -> None:
        for _ in range(30):
            store.store([entry(n=2000, level=level)])

    def read() -> None:
        while not done.is_set():
            found = store.load([KO]).get(KO)
            if found is None or not consistent(found):
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(float(level),)) for level in range(1, 4)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join(30)
    done.set()
    for thread in readers:
        thread.join(30)
    assert wrong == []
    assert store.stats().corrupt == 0


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_cache import cache, entry
store = cache(Path({folder!r}))
print("ready", flush=True)
for _ in range({times}):
    assert store.store([entry(n=2000, level=float(sys.argv[1]))]) == ()
"""


def test_processes_share_it_and_a_killed_one_leaves_it_whole(tmp_path):
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(tmp_path), times=100_000)
    store = cache(tmp_path)
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(level)], stdout=subprocess.PIPE, text=True)
        for level in (1, 2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        levels = set()
        for _ in range(400):
            found = store.load([KO]).get(KO)
            if found is not None:
                assert consistent(found)
                levels.add(found.bars.close[0])
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate(timeout=30)
    assert levels <= {1.0, 2.0}
    assert consistent(store.load([KO])[KO])
    assert store.stats().corrupt == 0


def test_strange_files_in_the_directory_are_left_alone(tmp_path):
    store = cache(tmp_path, max_mb=0)
    store.store([entry()])
    note = tmp_path / "bars" / "README"
    note.write_text("mine")
    store.clear()
    store.store([entry(stock(1))])
    assert note.read_text() == "mine"
    assert store.stats().series == 1
