"""Mail by SMTP: every recipient gets a mail of their own, and nobody's trouble is another's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from robotrading.adapters.notify.envelope import compose, is_address, sender_of
from robotrading.adapters.notify.settings import MailSettings
from robotrading.adapters.notify.smtp import Line
from robotrading.adapters.notify.trouble import MailTrouble, Unreachable
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
        if not is_address(recipient):
            raise MailTrouble("address", f"{recipient!r} is no mail address; write it as someone@example.com")
        if not is_address(sender):
            raise MailTrouble("sender", f"the sender {sender!r} is no mail address; set mail.sender")
        if down is not None:
            raise Unreachable(down.rule, down.reason)
        line.hand_over(compose(message, sender, recipient, self._clock.now()), sender, recipient)


def _skip(recipient: str, trouble: MailTrouble) -> Skip:
    return Skip(recipient, "mail", trouble.reason, trouble.rule)
