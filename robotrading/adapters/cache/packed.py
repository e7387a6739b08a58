"""One series as one file that loads without being parsed.

Entry points: `Entry`, `pack`, `unpack`, `Corrupt`.
Layout: magic (8 bytes), CRC-32 of all that follows (4), length of the header (4), header as JSON padded with blanks to
a multiple of 8, then the columns one after the other, each n little-endian numbers of 8 bytes: the days as int64 since
1970-01-01, the rest float64. Whatever does not fit this exactly is `Corrupt`.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from robotrading.domain.instrument import Instrument
from robotrading.domain.market import COLUMNS, Bars, Interval, PriceBasis

MAGIC = b"RTBARS01"
_PREFIX = struct.Struct("<8sII")


class Corrupt(Exception):
    """The bytes are not a whole, unchanged series of the instrument asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached series: `bars` holds complete days only.

    `fetched_at` is when a source last confirmed it and `whole_at` when it was last fetched from its beginning;
    `asked_from` is the first day asked for (the series may begin later, at its listing), `complete_until` the last day
    asked for, or the newest complete trading day at `fetched_at` where that is earlier.
    """

    bars: Bars
    fetched_at: datetime
    whole_at: datetime
    asked_from: date
    complete_until: date


def pack(entry: Entry) -> bytes:
    """The file's content."""
    bars = entry.bars
    header = json.dumps(
        {
            "key": bars.instrument.key,
            "interval": bars.interval,
            "rows": len(bars),
            "source": bars.source,
            "basis": bars.basis,
            "as_of": bars.as_of.isoformat(),
            "fetched_at": entry.fetched_at.isoformat(),
            "whole_at": entry.whole_at.isoformat(),
            "asked_from": entry.asked_from.isoformat(),
            "complete_until": entry.complete_until.isoformat(),
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    columns = [bars.dates.astype("<i8").tobytes()]
    columns += [getattr(bars, name).astype("<f8", copy=False).tobytes() for name in COLUMNS]
    body = b"".join([header, *columns])
    length = struct.pack("<I", len(header))
    return MAGIC + struct.pack("<I", zlib.crc32(body, zlib.crc32(length))) + length + body


def unpack(content: bytes, instrument: Instrument, interval: Interval) -> Entry:
    """The series in `content`, its arrays views on these bytes. Raises `Corrupt`."""
    if len(content) < _PREFIX.size:
        raise Corrupt(f"{len(content)} bytes are no file of bars")
    magic, checksum, length = _PREFIX.unpack_from(content)
    view = memoryview(content)
    if magic != MAGIC or zlib.crc32(view[_PREFIX.size - 4 :]) != checksum:
        raise Corrupt("the checksum does not match")
    try:
        return _entry(json.loads(content[_PREFIX.size : _PREFIX.size + length]), view, instrument, interval)
    except (KeyError, ValueError, TypeError) as error:
        raise Corrupt(f"the content is of another make ({error})") from error


def _entry(header: dict[str, Any], view: memoryview, instrument: Instrument, interval: Interval) -> Entry:
    if (header["key"], header["interval"]) != (instrument.key, interval):
        raise Corrupt(f"it holds {header['key']} {header['interval']}, not {instrument.key} {interval}")
    rows = int(header["rows"])
    numbers = np.frombuffer(view[len(view) - 8 * rows * (1 + len(COLUMNS)) :], dtype="<f8").reshape(
        1 + len(COLUMNS), rows
    )
    bars = Bars(
        instrument=instrument,
        interval=interval,
        dates=numbers[0].view("<i8").view("datetime64[D]"),
        as_of=datetime.fromisoformat(header["as_of"]),
        source=header["source"],
        basis=PriceBasis(header["basis"]),
        **dict(zip(COLUMNS, numbers[1:], strict=True)),
    )
    return Entry(
        bars=bars,
        fetched_at=datetime.fromisoformat(header["fetched_at"]),
        whole_at=datetime.fromisoformat(header["whole_at"]),
        asked_from=date.fromisoformat(header["asked_from"]),
        complete_until=date.fromisoformat(header["complete_until"]),
    )
