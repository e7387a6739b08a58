"""How fast each session may speak to the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from robotrading.config.model import Config
from robotrading.domain.instrument import AssetClass
from robotrading.session.settings import UniverseKind, UniverseSettings

_LEAST_PACE = 5
_LARGE_INDEX = 500


def share_pace(config: Config, kinds: Sequence[AssetClass]) -> dict[AssetClass, int]:
    """Messages a second for each session, by the size of its universe; together no more than the gateway takes.

    Whether the broker counts each connection or all of them is not documented, so all of ours count as one.
    """
    total = config.broker.messages_per_second
    least = min(_LEAST_PACE, total // len(kinds)) or 1
    spare = max(total - least * len(kinds), 0)
    sizes = {kind: _size(config.sessions[kind].universe) for kind in kinds}
    return {kind: least + spare * sizes[kind] // sum(sizes.values()) for kind in kinds}


def _size(universe: UniverseSettings) -> int:
    """How many instruments there may be; a file or an index that is not cut counts as a large index."""
    if universe.kind is UniverseKind.LIST:
        return max(len(universe.symbols), 1)
    return universe.top or _LARGE_INDEX
