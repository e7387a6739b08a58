"""A process beside the daemon that ends it when it freezes.

Whatever holds the daemon's loop (a stuck call, a lock that is never given back, a stopped process) may hold every
thread in it that could notice, too. So the one who notices is another process: it reads a byte for each beat of the
loop from a pipe, and when none has come for long enough it kills the daemon, which systemd or Docker starts again. The
end of the pipe means that the daemon has ended by itself.

Entry points: `Watcher` (the daemon's side), `main` (the process: `python -m robotrading.service.watcher PID SECONDS`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Self

_WAIT_SECONDS = 2.0


class Watcher:
    """The daemon's side: `beat` from the loop, `close` when it ends. As a context manager it closes itself."""

    def __init__(self, seconds: float) -> None:
        """Start watching this process; silence of more than `seconds` ends it. Raises OSError."""
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own words only
                [sys.executable, "-S", "-E", __file__, str(os.getpid()), str(seconds)],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        os.set_blocking(writing, False)
        self._writing = writing

    def beat(self) -> None:
        """The loop turns. A watcher that has gone, or does not read, is no reason to stop."""
        with suppress(OSError):
            os.write(self._writing, b".")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """The daemon ends by itself from here on."""
        os.close(self._writing)
        try:
            self._process.wait(_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main(pid: int, seconds: float) -> str:
    """Watch standing input until it ends, or is silent for too long; what happened then, in words."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while select.select([0], [], [], seconds)[0]:
        if not os.read(0, 4096):
            return ""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return f"the daemon (process {pid}) was frozen for more than {seconds:g} s and has been ended"


if __name__ == "__main__":
    sys.stderr.write(main(int(sys.argv[1]), float(sys.argv[2])))
