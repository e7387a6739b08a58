"""A run's report on the disk, for people. The one for programs, report.json, is written by the session itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from robotrading.adapters.notify.report import report_html, report_text
from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.domain.report import Message, SessionReport

_MESSAGE = "message.json"
_ALONE = Backdrop()


def write_report_files(
    report: SessionReport, folder: Path, backdrop: Backdrop = _ALONE, pictures: Sequence[Picture] = ()
) -> tuple[Path, Path]:
    """`report.html` and `report.txt`, each whole or not at all; existing ones are replaced. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write(folder / "report.html", report_html(report, backdrop, pictures).encode("utf-8")),
        _write(folder / "report.txt", report_text(report, backdrop).encode("utf-8")),
    )


def write_message(message: Message, folder: Path) -> Path:
    """The mail in the making, for the process that sends it. Raises `OSError`."""
    return _write(folder / _MESSAGE, msgspec.json.encode(message))


def take_message(folder: Path) -> Message | None:
    """What `write_message` left, once; None where there is nothing or nothing that can be read."""
    path = folder / _MESSAGE
    try:
        content = path.read_bytes()
        path.unlink()
        return msgspec.json.decode(content, type=Message)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
    return path
