"""An account whose id is written only after it was traded: its ledger is another one from then on.

Entry point: `another_book`, a remark and no fault, since it may be another account indeed.
"""

from __future__ import annotations

from robotrading.config.model import Config, GatewayKind


def another_book(config: Config) -> list[str]:
    """What to say where the named account's ledger would begin empty beside the one of the login's only account."""
    broker, books = config.broker, config.state_dir / "books"
    named, unnamed = books / f"{broker.mode}-{broker.account}", books / f"{broker.mode}-only-account"
    begins = broker.gateway is GatewayKind.EXTERNAL and broker.account and not config.database_url
    if not begins or (named / "ledger.db").exists() or not (unnamed / "ledger.db").exists():
        return []
    text = f"broker.account {broker.account} begins an empty ledger, and the one from before it was written is in "
    text += f"{unnamed}: if that is the same account, rename the folder to {named.name} while nothing runs; "
    return [text + "else what the bot has bought counts as yours, and is bought again"]
