"""Whether the service runs on this machine, and what it thinks of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import requests

from robotrading.service.settings import ServiceSettings
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning

PART = "service"
UNIT = "trading-bot.service"
_UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_SECONDS = 3.0


def health(settings: ServiceSettings, unit: str) -> Finding:
    """By its own answer over HTTP; `unit` is what systemd says of it, '' where it knows none."""
    address = f"http://{_own(settings.host)}:{settings.port}"
    try:
        answer = requests.get(f"{address}/health", timeout=_SECONDS)
    except requests.ConnectionError:
        return _silent(address, unit)
    except requests.RequestException as error:
        found = f"{address} does not answer as it should: {type(error).__name__}"
        return warning(PART, found, "look at its log, restart it")
    sentence = _sentence(answer.text)
    if sentence is None:
        remedy = "another program has its port: set service.port"
        return warning(PART, f"{address} answers {answer.status_code}, and not as the service", remedy)
    if answer.status_code == requests.codes.ok:
        return fine(PART, f"{address}: {sentence}")
    return warning(PART, f"{address}: {sentence}", f"{address}/health/detailed says what to do")


def _own(host: str) -> str:
    """Where somebody on the same machine reaches it."""
    shown = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    return f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown


def _silent(address: str, unit: str) -> Finding:
    if unit == "failed":
        return broken(PART, f"{UNIT} has failed", f"systemctl status {UNIT} tells why; docs/runbook.md")
    if unit in ("active", "activating"):
        return warning(PART, f"{UNIT} is {unit}, and {address} does not answer", f"journalctl -u {UNIT}")
    if unit:
        return warning(PART, f"{UNIT} is {unit}", f"sudo systemctl start {UNIT}")
    return left_out(PART, f"none answers at {address}; sessions run by hand or by cron need none")


def _sentence(body: str) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return str(found["sentence"]) if isinstance(found, dict) and "sentence" in found else None


def unit_state() -> str:
    """What systemd says of the unit: 'active', 'failed' ...; '' where it has none, or is not there."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not any(Path(folder, UNIT).exists() for folder in _UNIT_FOLDERS):
        return ""
    try:
        said = subprocess.run(  # noqa: S603  our own words
            [systemctl, "is-active", UNIT], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state = said.stdout.strip()
    return state if state in {"active", "activating", "failed", "inactive", "deactivating", "reloading"} else ""
