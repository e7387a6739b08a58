"""What a command is told that finds the book taken: by the service, or by another command."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from robotrading.domain.instrument import AssetClass
from robotrading.session.lock import AlreadyRunning, held, is_held
from robotrading.wiring.books import Orders, book_for, load_config
from robotrading.wiring.runs import carry_out


@pytest.mark.parametrize(
    ("by_service", "port", "told", "not_told"),
    [
        (True, 18080, ("the service runs", "http://127.0.0.1:18080/run/bonds", "--as-of"), "wait for it"),
        (True, 0, ("the service runs", "robotrading status"), "curl"),
        (False, 18080, ("another robotrading command", "wait for it to end"), "the service"),
    ],
)
async def test_the_reason_and_the_way_out_are_those_of_who_has_the_book(
    tmp_path: Path, by_service: bool, port: int, told: tuple[str, ...], not_told: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"state_dir: state\nservice: {{port: {port}}}\nsessions: {{equities: {{enabled: false}}}}\n")
    orders = Orders(config=config, trade=False)
    book = book_for(load_config(orders), orders)
    with ExitStack() as stack:
        if by_service:
            stack.enter_context(held(book.service_lock, "taken"))
        stack.enter_context(book.alone())
        with pytest.raises(AlreadyRunning) as caught:
            await carry_out(orders, [AssetClass.BONDS], lambda *_: None)
    assert all(word in str(caught.value) for word in told), str(caught.value)
    assert not_told not in str(caught.value)
    assert not is_held(book.service_lock)
