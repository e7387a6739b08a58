"""A certificate authority for the tests' own mail servers, and an outbox with a clock that a test turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.service.post.offices import Office


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office.opened(tmp_path / "ledger.db") as one:
        yield one
