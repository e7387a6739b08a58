"""An account whose id is written only after it was traded: its ledger is another one from then on.

Entry point: `another_book`, a remark and no fault, since it may be another account indeed.
"""

from __future__ import annotations

from robotrading.config.model import Config, GatewayKind


def another_book(config: Config) -> list[str]:
    """What to say until the named account's first run, where the login's only account has been traded without a name.

    A ledger alone is no run: whoever only looks makes an empty one.
    """
    broker, books = config.broker, config.state_dir / "books"
    named, unnamed = books / f"{broker.mode}-{broker.account}", books / f"{broker.mode}-only-account"
    begins = broker.gateway is GatewayKind.EXTERNAL and broker.account and not config.database_url
    if not begins or (named / "runs").exists() or not (unnamed / "ledger.db").exists():
        return []
    text = f"broker.account {broker.account} begins an empty ledger, and the one from before it was written is in "
    text += f"{unnamed}: if that is the same account, put this folder in the place of {named} while nothing runs; "
    return [text + "else what the bot has bought counts as yours, and is bought again"]
