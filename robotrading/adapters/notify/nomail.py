"""An installation without a mail account: what is wanting, and how to set it up."""

from __future__ import annotations

from robotrading.adapters.notify.settings import MailSettings


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
