"""Messages and how far they have come, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from robotrading.cli.out import printable
from robotrading.domain.messages import Delivery, DeliveryState

_COLOURS = {DeliveryState.GIVEN_UP: "red", DeliveryState.WAITING: "yellow", DeliveryState.SENT: "green"}


def list_view(ways: Sequence[Delivery]) -> Iterator[RenderableType]:
    """Each way: when, about what; to whom and how far; then why and which."""
    for way in ways:
        yield Text(f"{way.created_at:%Y-%m-%d %H:%M}  {printable(way.subject)}")
        state = Text("  ")
        state.append(_state(way), style=_COLOURS.get(way.state, ""))
        yield state.append(f"  {way.address.channel} to {printable(way.address.recipient)}")
        if way.reason and way.state is not DeliveryState.SENT:
            yield Padding(Text(printable(way.reason)), (0, 0, 0, 4))
        yield Padding(Text(printable(way.letter_id), style="dim"), (0, 0, 0, 4))


def _state(way: Delivery) -> str:
    tried = f"{way.attempts} attempt{'' if way.attempts == 1 else 's'}"
    if way.state is DeliveryState.WAITING:
        return f"waits, {tried}, next {way.next_at:%Y-%m-%d %H:%M} UTC"
    if way.state is DeliveryState.SENT:
        return f"sent {way.changed_at:%Y-%m-%d %H:%M} UTC"
    if way.state is DeliveryState.MERGED:
        return f"told in {way.digest}"
    return f"given up after {tried}"
