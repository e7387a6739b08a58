"""Words to the service manager that started us: systemd's notification socket.

Entry points: `ServiceManager`, `manager_from`.
Protocol: one datagram of `NAME=value` lines to the socket named by NOTIFY_SOCKET, see sd_notify(3). Where there is no
such socket nothing is said. A manager that does not listen never stops us.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """`address` is '' where nobody listens; `watchdog_seconds` is how long silence is borne, None when for ever."""

    address: str = ""
    watchdog_seconds: float | None = None

    def ready(self, status: str) -> None:
        self._say("READY=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        self._say(f"STATUS={_line(status)}")

    def alive(self) -> None:
        self._say("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        self._say("STOPPING=1", f"STATUS={_line(status)}")

    def _say(self, *lines: str) -> None:
        if not self.address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as post:
            post.settimeout(0)
            post.sendto("\n".join(lines).encode(), self.address)


def manager_from(environment: Mapping[str, str]) -> ServiceManager:
    """As the environment says; a watchdog that is meant for another process is none of ours."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]
    meant_for = environment.get("WATCHDOG_PID", "")
    micros = environment.get("WATCHDOG_USEC", "")
    ours = not meant_for or meant_for == str(os.getpid())
    seconds = int(micros) / _MILLION if micros.isdigit() and int(micros) and ours else None
    return ServiceManager(address, seconds)


def _line(text: str) -> str:
    return " ".join(text.split())
