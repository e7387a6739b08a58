"""Laws of choosing the client library."""

from __future__ import annotations

import pytest

from robotrading.adapters.ibkr import library
from robotrading.domain.errors import ConfigError


def test_exactly_one_library_is_taken() -> None:
    assert library.choose(("ib_async",)) == "ib_async"
    assert library.NAME in library.CANDIDATES
    assert library.VERSION


@pytest.mark.parametrize(("installed", "words"), [((), "is missing"), (library.CANDIDATES, "both installed")])
def test_none_and_both_are_errors_with_the_way_out(installed: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        library.choose(installed)
    assert "install" in str(caught.value)
