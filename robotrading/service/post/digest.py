"""Many waiting messages to one address become one letter.

Entry points: `flooded` (whose waiting messages are too many), `digest_of` (the letter that tells of them).
Invariants: a critical message is never put into a digest, nor is a digest or a test; the letter's id is a function of
the letters in it; every one of them is named, with how to read it, up to `LISTED`, and counted beyond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from html import escape

from robotrading.adapters.notify.report.words import clean
from robotrading.domain.messages import Address, Delivery, Letter, LetterKind, Urgency
from robotrading.domain.report import Message

LISTED = 200
_NAMES = {LetterKind.REPORT: "report", LetterKind.ALERT: "alert", LetterKind.SUMMARY: "summary"}
_PLURALS = {LetterKind.SUMMARY: "summaries"}


def flooded(due: Sequence[Delivery], most: int) -> Mapping[Address, Sequence[Delivery]]:
    """By address, what goes into a digest: all that may, where it is more than `most`; nothing where that is 0."""
    found: dict[Address, list[Delivery]] = {}
    for delivery in due:
        if delivery.urgency is not Urgency.CRITICAL and delivery.kind in _NAMES:
            found.setdefault(delivery.address, []).append(delivery)
    return {address: waiting for address, waiting in found.items() if 0 < most < len(waiting)}


def digest_of(waiting: Sequence[Delivery], now: datetime) -> Letter:
    """The letter in place of these, as urgent as the most urgent of them; at least one."""
    ordered = sorted(waiting, key=lambda one: (one.created_at, one.letter_id))
    ids = "\n".join(sorted({one.letter_id for one in ordered}))
    urgent = any(one.urgency is Urgency.WARNING for one in ordered)
    return Letter(
        letter_id=f"digest:{sha256(ids.encode('utf-8', 'replace')).hexdigest()[:40]}",
        kind=LetterKind.DIGEST,
        urgency=Urgency.WARNING if urgent else Urgency.NORMAL,
        created_at=now,
        message=_message(ordered),
    )


def how_to_read(letter_id: str, kind: LetterKind) -> str:
    """The command that shows what the letter was about."""
    run = letter_id.partition(":")[2]
    return f"robotrading report {run}" if kind is LetterKind.REPORT else f"robotrading messages show {letter_id}"


def _message(ordered: Sequence[Delivery]) -> Message:
    counts = Counter(one.kind for one in ordered)
    kinds = ", ".join(_counted(counts[kind], kind) for kind in _NAMES if counts[kind])
    waited = any(one.rule for one in ordered)
    subject = f"robotrading: {len(ordered)} messages {'that waited' if waited else 'in one'} ({kinds})"
    first, last = ordered[0].created_at, ordered[-1].created_at
    made = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
    said = f"could not be sent when they were made, {made}" if waited else f"were made {made}"
    head = f"These {len(ordered)} messages {said}. They come as one, so that they are no flood."
    listed = ordered[:LISTED]
    more = len(ordered) - len(listed)
    tail = f"And {more} more: robotrading messages" if more else ""
    return Message(subject, _text(head, listed, tail), _html(head, listed, tail))


def _counted(amount: int, kind: LetterKind) -> str:
    name = _NAMES[kind]
    return f"1 {name}" if amount == 1 else f"{amount} {_PLURALS.get(kind, name + 's')}"


def _text(head: str, listed: Sequence[Delivery], tail: str) -> str:
    lines = [head, ""]
    for one in listed:
        lines += [f"{one.created_at:%Y-%m-%d %H:%M} UTC  {clean(one.subject)}"]
        lines += [f"    {how_to_read(one.letter_id, one.kind)}"]
    return "\n".join([*lines, *(["", tail] if tail else [])]) + "\n"


def _html(head: str, listed: Sequence[Delivery], tail: str) -> str:
    rows = "".join(
        f"<li>{one.created_at:%Y-%m-%d %H:%M} UTC: {escape(clean(one.subject))}"
        f"<br><code>{escape(clean(how_to_read(one.letter_id, one.kind)))}</code></li>\n"
        for one in listed
    )
    end = f"<p>{escape(tail)}</p>" if tail else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"></head>\n'
        f'<body style="font-family: sans-serif; overflow-wrap: anywhere"><p>{escape(head)}</p>\n'
        f"<ul>\n{rows}</ul>\n{end}</body></html>\n"
    )
