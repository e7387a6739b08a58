"""What a session process is told and where it leaves its report; travels as a JSON file, secrets never in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from robotrading.domain.claims import Lease
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import SessionReport


@dataclass(frozen=True, slots=True)
class Job:
    """One session run for a process of its own.

    `folder` holds the run's files: the job itself, its log and its report. `gateway_port` is the embedded gateway's, 0
    where the configuration names the gateway. `messages_per_second` is this session's part of what the gateway takes
    from all that run side by side. Empty `config` means the built-in defaults, `demo` the sample market. `lease` is the
    right under which the command trades the account: the intents of this session are refused once it is gone.
    """

    run_id: str
    kind: AssetClass
    folder: str
    config: str = ""
    demo: bool = False
    as_of: date | None = None
    trade: bool = True
    plan_id: str = ""
    gateway_port: int = 0
    messages_per_second: int = 45
    lease: Lease | None = None

    @property
    def path(self) -> Path:
        return Path(self.folder) / "job.json"

    @property
    def report_path(self) -> Path:
        return Path(self.folder) / "report.json"

    @property
    def log_path(self) -> Path:
        return Path(self.folder) / "log.txt"

    def write(self) -> Path:
        """Put the job into its folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(msgspec.json.encode(self))
        return self.path


def read_job(path: Path) -> Job:
    """The job in a file. Raises `RobotradingError` when it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Job)
    except (OSError, msgspec.DecodeError) as error:
        raise RobotradingError(f"{path}: not a session job: {error}; jobs are written by `robotrading run`") from error


def write_report(job: Job, report: SessionReport) -> None:
    """Leave the report where the parent looks for it, whole or not at all."""
    partial = job.report_path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    partial.replace(job.report_path)


def read_report(job: Job) -> SessionReport | None:
    """The report that the process left, None when it left none or an unreadable one."""
    try:
        return msgspec.json.decode(job.report_path.read_bytes(), type=SessionReport)
    except (OSError, msgspec.DecodeError):
        return None
