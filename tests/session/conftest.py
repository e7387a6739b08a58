"""Benches for the tests of sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.session.bench import Bench, build, forget


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """`build` in a folder of its own, all of them put away at the end."""
    made: list[Bench] = []

    def make(*args, **more) -> Bench:
        made.append(build(tmp_path / f"bench-{len(made)}", *args, **more))
        return made[-1]

    yield make
    for one in made:
        forget(one)


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """An account in which the person holds nothing; who needs another one says so in the test's own file."""
    return make_bench()
