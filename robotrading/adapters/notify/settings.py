"""Where reports go."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Security(StrEnum):
    SSL = "ssl"
    STARTTLS = "starttls"


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What a report shows. `benchmark`: a symbol whose cached prices stand beside the account's value, '' for none.

    `weekly` is when the service sends the week's summary, '' for never.
    """

    benchmark: str = "SPY"
    pictures: bool = True
    weekly: str = "Sat 09:00"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """An SMTP account. Empty `username` or no recipients means that no mail is set up, which is no error.

    `password` is a secret. `timeout` in seconds, per connection. `ca_file` adds a private certificate authority.
    """

    host: str = "smtp.gmail.com"
    port: int = 465
    security: Security = Security.SSL
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    recipients: tuple[str, ...] = ()
    timeout: float = 20.0
    ca_file: str = ""
