"""A run's report on the disk, for people. The one for programs, report.json, is written by the session itself."""

from __future__ import annotations

from pathlib import Path

from robotrading.adapters.notify.report import report_html, report_text
from robotrading.domain.report import SessionReport


def write_report_files(report: SessionReport, folder: Path) -> tuple[Path, Path]:
    """`report.html` and `report.txt`, each whole or not at all; existing ones are replaced. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    return (
        _write(folder / "report.html", report_html(report)),
        _write(folder / "report.txt", report_text(report)),
    )


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)
    return path
