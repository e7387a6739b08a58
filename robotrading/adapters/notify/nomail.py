"""The notifier of an installation without a mail account: it says what to set up, and harms nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from robotrading.adapters.notify.settings import MailSettings
from robotrading.domain.report import Message
from robotrading.domain.skip import Skip


def missing(settings: MailSettings) -> tuple[str, ...]:
    """The environment names that are wanting for a mail to leave; empty when mail is set up."""
    wanted = {
        "GMAIL_ADDRESS": settings.username,
        "GMAIL_APP_PASSWORD": settings.password,
        "RECIPIENT_EMAIL": settings.recipients,
    }
    return tuple(name for name, value in wanted.items() if not value)


def how_to_set_up(settings: MailSettings) -> str:
    """A sentence that says what is wanting and where it goes."""
    names = ", ".join(missing(settings)) or "an account"
    return (
        f"mail is not set up: {names} wanting; set it in the environment or in the section `mail` of config.yaml"
        " (the password in the environment only); the reports are on the disk"
    )


class NoMail:
    """Sends nothing and says why, to each recipient alike."""

    def __init__(self, settings: MailSettings) -> None:
        self._reason = how_to_set_up(settings)

    def send(self, message: Message, recipients: Collection[str]) -> Mapping[str, Skip | None]:  # noqa: ARG002  port
        """A `Skip` for each recipient."""
        return {recipient: Skip(recipient, "mail", self._reason, "not_set_up") for recipient in recipients}
