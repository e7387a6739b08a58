"""What people and the program itself have changed, with before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the record: who did what to which subject. Kept for ever, never edited."""

    at: datetime
    who: str
    what: str
    subject: str
    before: str = ""
    after: str = ""
