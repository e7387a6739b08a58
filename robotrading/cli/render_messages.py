"""Messages and how far they have come, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from robotrading.cli.out import printable
from robotrading.domain.messages import Delivery, DeliveryState

_COLOURS = {DeliveryState.GIVEN_UP: "red", DeliveryState.WAITING: "yellow", DeliveryState.SENT: "green"}


def list_view(ways: Sequence[Delivery]) -> Iterator[RenderableType]:
    """Each letter: when, about what, which; then how far it has come to whom, alike ways together, and why."""
    for letter_id, found in groupby(ways, key=lambda way: way.letter_id):
        alike: dict[tuple[str, str], list[Delivery]] = {}
        for way in found:
            reason = "" if way.state is DeliveryState.SENT else way.reason
            alike.setdefault((_state(way), reason), []).append(way)
        first = next(iter(alike.values()))[0]
        yield Text(f"{first.created_at:%Y-%m-%d %H:%M}  {printable(first.subject)}")
        yield Padding(Text(printable(letter_id), style="dim"), (0, 0, 0, 2))
        for (state, reason), same in alike.items():
            yield Padding(_line(state, same), (0, 0, 0, 2))
            if reason:
                yield Padding(Text(printable(reason)), (0, 0, 0, 4))


def _line(state: str, ways: Sequence[Delivery]) -> Text:
    """How far, and to whom: by channel."""
    line = Text(state, style=_COLOURS.get(ways[0].state, ""))
    for channel in dict.fromkeys(way.address.channel for way in ways):
        people = [printable(way.address.recipient) for way in ways if way.address.channel is channel]
        line.append(f"  {channel} to {', '.join(people)}", style="default")
    return line


def _state(way: Delivery) -> str:
    tried = f"{way.attempts} attempt{'' if way.attempts == 1 else 's'}"
    if way.state is DeliveryState.WAITING:
        return f"waits, {tried}, next {way.next_at:%Y-%m-%d %H:%M} UTC"
    if way.state is DeliveryState.SENT:
        return f"sent {way.changed_at:%Y-%m-%d %H:%M} UTC"
    if way.state is DeliveryState.MERGED:
        return f"told in {way.digest}"
    return f"given up after {tried}"
