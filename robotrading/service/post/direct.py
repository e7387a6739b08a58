"""Letters without the outbox, sent once: for when the ledger cannot be written and a person must be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from robotrading.domain.messages import Address, Channel, Letter
from robotrading.domain.skip import Skip
from robotrading.service.post.policy import holds_for_all
from robotrading.service.post.postman import Carrier

Answers = Mapping[Address, Skip | None]


def send_directly(
    letters: Sequence[tuple[Letter, Collection[Address]]], carriers: Mapping[Channel, Carrier]
) -> list[Answers]:
    """For each letter, of each address: None where it was taken, else why not. A server that is down is asked once."""
    down: dict[tuple[Channel, str], Skip] = {}
    try:
        return [{one: _one(letter, one, carriers, down) for one in addresses} for letter, addresses in letters]
    finally:
        for carrier in carriers.values():
            carrier.close()


def _one(
    letter: Letter, address: Address, carriers: Mapping[Channel, Carrier], down: dict[tuple[Channel, str], Skip]
) -> Skip | None:
    server = address.channel, "" if address.channel is Channel.MAIL else address.recipient
    known, carrier = down.get(server), carriers.get(address.channel)
    if carrier is None:
        return Skip(address.recipient, "post", f"{address.channel} is not set up", "not_set_up")
    if known is not None:
        return Skip(address.recipient, known.step, known.reason, known.rule)
    trouble = carrier.open(address.recipient) or carrier.carry(letter, address.recipient)
    if trouble is not None and holds_for_all(trouble.rule):
        down[server] = trouble
    return trouble
