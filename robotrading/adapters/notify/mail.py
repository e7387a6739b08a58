"""Mail by SMTP: every recipient gets a mail of their own, and nobody's trouble is another's.

Entry points: `MailNotifier` (a message to several people at once), `MailCarrier` (letters of the outbox, one by one).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from robotrading.adapters.notify.envelope import compose, compose_letter, is_address, sender_of
from robotrading.adapters.notify.settings import MailSettings
from robotrading.adapters.notify.smtp import PATIENCE, Line
from robotrading.adapters.notify.trouble import MailTrouble, Unreachable
from robotrading.domain.messages import Letter
from robotrading.domain.ports import Clock
from robotrading.domain.report import Message
from robotrading.domain.skip import Skip


class MailNotifier:
    """The `Notifier` over one SMTP account. Nothing it meets is raised; the password is in no text."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, message: Message, recipients: Collection[str]) -> Mapping[str, Skip | None]:
        """One connection for all; None for each recipient whose mail the server took, a `Skip` for the others."""
        told: dict[str, Skip | None] = {}
        line = Line(self._settings)
        down: Unreachable | None = None
        try:
            for recipient in dict.fromkeys(recipients):
                try:
                    self._one(line, down, message, recipient)
                    told[recipient] = None
                except Unreachable as trouble:
                    down = trouble
                    told[recipient] = _skip(recipient, trouble)
                except MailTrouble as trouble:
                    told[recipient] = _skip(recipient, trouble)
        finally:
            line.close()
        return told

    def _one(self, line: Line, down: Unreachable | None, message: Message, recipient: str) -> None:
        sender = sender_of(self._settings)
        _require_addresses(sender, recipient)
        if down is not None:
            raise Unreachable(down.rule, down.reason)
        line.hand_over(compose(message, sender, recipient, self._clock.now()), sender, recipient)


class MailCarrier:
    """Letters over one SMTP account and one connection. Nothing it meets is raised; the password is in no text."""

    def __init__(self, settings: MailSettings, origin: str = "") -> None:
        self._settings = settings
        self._origin = origin
        self._line = Line(settings)

    @property
    def longest(self) -> float:
        """Seconds that the longest attempt can take: opening and handing over, each bounded as a whole."""
        return 2 * PATIENCE * self._settings.timeout

    def open(self, recipient: str) -> Skip | None:
        """Connect and log in, unless that is done; why it cannot be."""
        try:
            self._line.log_in()
        except MailTrouble as trouble:
            return _skip(recipient, trouble)
        return None

    def carry(self, letter: Letter, recipient: str) -> Skip | None:
        """Hand it over; why the server did not take it."""
        sender = sender_of(self._settings)
        try:
            _require_addresses(sender, recipient)
            self._line.hand_over(compose_letter(letter, sender, recipient, self._origin), sender, recipient)
        except MailTrouble as trouble:
            return _skip(recipient, trouble)
        return None

    def close(self) -> None:
        self._line.close()


def _require_addresses(sender: str, recipient: str) -> None:
    if not is_address(recipient):
        raise MailTrouble("address", f"{recipient!r} is no mail address; write it as someone@example.com")
    if not is_address(sender):
        raise MailTrouble("sender", f"the sender {sender!r} is no mail address; set mail.sender")


def _skip(recipient: str, trouble: MailTrouble) -> Skip:
    return Skip(recipient, "mail", trouble.reason, trouble.rule)
