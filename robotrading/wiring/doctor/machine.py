"""Memory: what is there against what the sessions may take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from robotrading.config.model import Config
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, size, warning

LEAST = 400_000_000
"""Bytes that a session with a handful of instruments takes."""
MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")


def available(meminfo: Path = MEMINFO, group: Path = GROUP) -> int | None:
    """Bytes of memory and swap that can still be had, within the container's own bound; None where nobody says."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        free = sum(int(rows[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree"))
    except (OSError, KeyError, ValueError):
        return None
    bound = _number(group / "memory.max")
    return free if bound is None else max(0, min(free, bound - (_number(group / "memory.current") or 0)))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def memory(config: Config, free: int | None) -> Finding:
    """Whether the largest session fits."""
    wanted: Mapping[str, int] = {kind: config.sessions[kind].memory_mb * 1_048_576 for kind in config.enabled}
    most = max(wanted.values(), default=0)
    if free is None:
        return left_out("memory", "this system does not say how much is free")
    if free < LEAST:
        remedy = "end other programs, or give the machine more memory or swap"
        return broken("memory", f"only {size(free)} can be had; a session needs {size(LEAST)} at least", remedy)
    if free < most:
        kind = max(wanted, key=lambda name: wanted[name])
        found = f"{size(free)} can be had, and sessions.{kind}.memory_mb allows {size(most)}"
        return warning("memory", found, "add memory or swap, or lower memory_mb: then the session fails by itself")
    return fine("memory", f"{size(free)} can be had")
