"""The service in a Debian that is really booted: `make nspawn`, or `python -m tests.deploy.nspawn_drill`.

Prints a table of what was done and seen, or 'skipped: reason'. Exit code 0 when all held or nothing could be done,
1 when something did not hold. Takes about ten minutes, of which most is building the releases.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.nspawn_machine import (
    Machine,
    cannot,
    copy_of_sources,
    debian_tree,
    wait_for,
    wheelhouse,
)

UNIT = "trading-bot.service"
WATCHDOG_SECONDS = 45
CONFIG = "state_dir: state\nservice:\n  port: 18080\n"
DIES_SOON = """
import os, sys, threading
if sys.argv[1:2] == ["serve"]:
    threading.Timer(4, os._exit, [7]).start()
"""
REFUSES = """
import sys
if sys.argv[1:2] in (["doctor"], ["config"]):
    sys.exit("doctor: this version does not like this machine")
"""


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


@dataclass
class Drill:
    """One machine, and what has been seen so far."""

    machine: Machine
    seen: list[tuple[str, float, str]] = field(default_factory=list)
    _words: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One line of the table."""
        say(f"... {name}")
        started, self._words = time.monotonic(), ""
        yield
        self.seen.append((name, time.monotonic() - started, self._words))

    def note(self, words: str) -> None:
        self._words = words

    def run(self, command: str, *, check: bool = True, timeout: float = 900) -> str:
        return self.machine.run(command, check=check, timeout=timeout).stdout.strip()

    def show(self, name: str) -> str:
        return self.run(f"systemctl show --property={name} --value {UNIT}")

    def is_active(self) -> bool:
        return self.show("ActiveState") == "active"

    def comes_back(self, old_pid: str, seconds: float) -> str:
        """Wait until another process is active; its pid."""
        return wait_for("another process of the service", lambda: self._another(old_pid), seconds)

    def _another(self, old_pid: str) -> str:
        pid = self.show("MainPID")
        return pid if pid not in {"0", old_pid} and self.is_active() else ""

    def journal(self, since: str) -> str:
        return self.run(f"journalctl --unit={UNIT} --since='{since}' --no-pager --output=short")

    def stopped_in_peace(self, since: str) -> None:
        """Nothing had to be forced by systemd; what the daemon does to its own children is its business."""
        said = [line for line in self.journal(since).splitlines() if " systemd[" in line]
        assert said, "systemd says nothing of the stop"
        assert not [line for line in said if "SIGKILL" in line or "timed out" in line], "\n".join(said)

    def now(self) -> str:
        return self.run("date '+%F %T'")

    def release(self) -> str:
        return self.run("basename $(readlink /opt/robotrading/current)")

    def table(self) -> str:
        wide = max((len(name) for name, *_ in self.seen), default=0)
        return "\n".join(f"{name:<{wide}}  {seconds:6.1f} s  {words}" for name, seconds, words in self.seen)


def install(drill: Drill) -> None:
    with drill.step("install"):
        drill.run("install -d -m 700 /etc/robotrading/credentials")
        drill.run(f"printf '{CONFIG}' > /etc/robotrading/config.yaml")
        drill.run("umask 077; echo from-a-credential > /etc/robotrading/credentials/ALPHA_VANTAGE_KEY")
        said = drill.run("umask 077; cd /tmp && /srv/one/deploy.sh install")
        assert drill.is_active(), said
        assert drill.run(f"systemctl is-enabled {UNIT}") == "enabled"
        assert drill.run("cat /etc/robotrading/config.yaml") + "\n" == CONFIG, "a configuration that is there is kept"
        drill.note(f"release {drill.release()} active")
    with drill.step("install again"):
        pid = drill.show("MainPID")
        said = drill.run("/srv/one/deploy.sh install")
        assert "Nothing to change" in said, said
        assert drill.show("MainPID") == pid, "the second install restarted it"
        drill.note("nothing to change, same process")


def looks(drill: Drill) -> None:
    with drill.step("what runs, and as whom"):
        pid = drill.show("MainPID")
        assert drill.run(f"stat --format=%U /proc/{pid}") == "robotrading"
        drill.run("test -f /run/credentials/trading-bot.service/plain_ALPHA_VANTAGE_KEY")
        status = drill.run("/srv/one/deploy.sh status")
        text = drill.show("StatusText")
        assert text, "no status line"
        assert f'Status: "{text}"' in status, status
        size = drill.run(f"awk '/^VmRSS/ {{ print int($2 / 1024) }}' /proc/{pid}/status")
        drill.note(f"user robotrading, {size} MB, status line: {text}")
    with drill.step("the command, from root and from somebody"):
        said = drill.run("robotrading config check")
        assert "/etc/robotrading/config.yaml: fine" in said, said
        assert "ALPHA_VANTAGE_KEY is not set" not in said, "the secret did not arrive"
        refused = drill.machine.run("setpriv --reuid=65534 --clear-groups robotrading status", check=False)
        assert refused.returncode == 2, refused.stdout
        assert "sudo robotrading status" in refused.stdout, refused.stdout
        drill.note("root: as the service's user with its secrets; others are told how")
    with drill.step("exposure, measured by the running systemd"):
        said = drill.run(f"systemd-analyze security --no-pager --threshold=15 {UNIT}")
        drill.note(said.splitlines()[-1].strip())


def sealed(drill: Drill) -> None:
    with drill.step("a secret sealed by systemd-creds"):
        drill.run("systemd-creds setup 2>&1 || true")
        folder = "/etc/robotrading/credentials.sealed"
        drill.run(
            "echo sealed-token-of-16-letters | systemd-creds encrypt --with-key=host --name=sealed_ROBOTRADING_TOKEN "
            f"- {folder}/ROBOTRADING_TOKEN"
        )
        drill.run("/srv/one/deploy.sh restart")
        drill.run("grep -q sealed-token /run/credentials/trading-bot.service/sealed_ROBOTRADING_TOKEN")
        assert "ROBOTRADING_TOKEN" in drill.run("robotrading config show"), "the command does not have it"
        drill.note("decrypted for the service and for the command, on disk only encrypted")


def three_sessions_in_its_cage(drill: Drill) -> None:
    """The whole pipeline under the unit's own restrictions: numpy, scipy, statsmodels, hmmlearn, pyarrow, SQLite."""
    with drill.step("demo: three sessions under the unit's restrictions"):
        drill.run(
            f"sed -e 's/robotrading serve/robotrading demo/' -e 's/^Type=.*/Type=oneshot/' -e '/^Watchdog/d;/^Restart/d' "
            f"/etc/systemd/system/{UNIT} > /run/systemd/system/cage.service && systemctl daemon-reload"
        )
        done = drill.machine.run("systemctl start cage.service", check=False, timeout=400)
        words = drill.run("journalctl --unit=cage.service --no-pager --output=cat")
        assert done.returncode == 0, words
        sessions = [word for word in ("EQUITIES", "BONDS", "CRYPTO") if word in words]
        assert len(sessions) == 3, words
        drill.note(f"{words.count(' filled')} orders filled")


def misfortunes(drill: Drill) -> None:
    with drill.step("kill -9"):
        pid = drill.show("MainPID")
        drill.run(f"kill -9 {pid}")
        drill.comes_back(pid, 120)
        drill.note(f"restarted by systemd, restarts so far {drill.show('NRestarts')}")
    with drill.step("SIGSTOP"):
        pid, since = drill.show("MainPID"), drill.now()
        drill.run(f"kill -STOP {pid}")
        drill.comes_back(pid, WATCHDOG_SECONDS + 90)
        said = drill.journal(since)
        assert "Watchdog timeout" in said or "SIGKILL" in said, said
        drill.note("the watchdog ended it" if "Watchdog timeout" in said else "its own watcher ended it")
    with drill.step("stop"):
        since = drill.now()
        drill.run("/srv/one/deploy.sh stop", timeout=100)
        drill.stopped_in_peace(since)
        assert drill.show("Result") == "success", drill.show("Result")
        left = drill.run("find /proc -maxdepth 1 -user robotrading")
        assert not left, left
        drill.note("no SIGKILL, nothing left")
    with drill.step("start"):
        drill.run("/srv/one/deploy.sh start")
        assert drill.is_active()


def spoilt_configuration(drill: Drill) -> None:
    with drill.step("a configuration that cannot be used"):
        drill.run("echo 'nonsense: 1' >> /etc/robotrading/config.yaml")
        assert drill.machine.run("/srv/one/deploy.sh restart", check=False).returncode == 1
        time.sleep(12)
        assert (drill.show("ActiveState"), drill.show("ExecMainStatus")) == ("failed", "2"), drill.run(
            "systemctl status"
        )
        assert "nonsense" in drill.run("/srv/one/deploy.sh logs"), "the log does not say what is wrong"
        drill.run("sed -i /nonsense/d /etc/robotrading/config.yaml && /srv/one/deploy.sh start")
        drill.note("stays down and says why; starts when it is put right")


def reboot(drill: Drill) -> None:
    with drill.step("power off and boot"):
        drill.machine.power_off()
        drill.machine.boot()
        wait_for("the service after the boot", drill.is_active, 120)
        drill.note(f"active by itself; {drill.show('StatusText')}")


def upgrades(drill: Drill) -> None:
    with drill.step("upgrade to a changed copy"):
        old = drill.release()
        said = drill.run("/srv/two/deploy.sh upgrade")
        assert drill.is_active(), said
        assert drill.release() != old, said
        drill.note(said.splitlines()[-1])
    good, pid = drill.release(), drill.show("MainPID")
    with drill.step("upgrade to a copy whose doctor objects"):
        done = drill.machine.run("/srv/refuses/deploy.sh upgrade", check=False, timeout=900)
        assert done.returncode == 1, done.stdout
        assert "nothing was changed" in done.stdout, done.stdout
        assert (drill.release(), drill.show("MainPID")) == (good, pid), "it was touched"
        drill.note("refused; the old process never noticed")
    with drill.step("upgrade to a copy that dies after its start"):
        done = drill.machine.run("/srv/dies/deploy.sh upgrade", check=False, timeout=900)
        assert done.returncode == 1, done.stdout
        assert "rolled back" in done.stdout, done.stdout
        assert drill.release() == good, "another release is current"
        assert drill.is_active()
        drill.note(done.stdout.strip().splitlines()[-1])


def uninstall(drill: Drill) -> None:
    with drill.step("uninstall keeps configuration and state"):
        since = drill.now()
        drill.run("/srv/two/deploy.sh uninstall")
        drill.stopped_in_peace(since)
        drill.run("test -f /etc/robotrading/config.yaml && test -d /var/lib/robotrading && ! test -e /opt/robotrading")
        assert drill.machine.run(f"systemctl cat {UNIT}", check=False).returncode != 0
    with drill.step("purge, after the typed word only"):
        drill.run("! echo no | /srv/two/deploy.sh uninstall --purge && test -d /var/lib/robotrading")
        drill.run("echo purge | /srv/two/deploy.sh uninstall --purge")
        drill.run("! test -e /etc/robotrading && ! test -e /var/lib/robotrading && ! getent passwd robotrading")


SCENES: tuple[Callable[[Drill], None], ...] = (
    install, looks, sealed, three_sessions_in_its_cage, misfortunes, spoilt_configuration, reboot, upgrades, uninstall,
)  # fmt: skip


def prepare(root: Path) -> None:
    """The tree, and the four versions that are installed from."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(debian_tree()), str(root)], check=True, timeout=300)
    for name, addition in (("one", ""), ("two", "# another version\n"), ("refuses", REFUSES), ("dies", DIES_SOON)):
        sources = root / "srv" / name
        copy_of_sources(sources)
        main = sources / "robotrading" / "__main__.py"
        future = "from __future__ import annotations\n"
        main.write_text(main.read_text().replace(future, future + addition, 1))


def play(drill: Drill) -> int:
    try:
        with drill.step("boot"):
            drill.note(drill.machine.boot())
        for scene in SCENES:
            scene(drill)
    except AssertionError as error:
        say(f"{drill.table()}\n\nFAILED: {error}\nEverything that was said: {drill.machine.log}")
        return 1
    say(drill.table())
    return 0


def main() -> int:
    """Set the stage, play every scene, tear it down; the log stays when something did not hold."""
    if reason := cannot():
        say(f"skipped: {reason}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="robotrading-drill-", dir="/var/tmp"))
    drill = Drill(Machine(folder / "root", wheelhouse(debian_tree()), folder / "log"))
    code = 1
    try:
        prepare(drill.machine.root)
        code = play(drill)
    finally:
        drill.machine.destroy()
        shutil.rmtree(drill.machine.root if code else folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
