"""The URLs of pushes: their public names, and what of them nobody may read. Nothing here sends or loads anything.

Entry points: `named`, `pieces`, `tokens`.
Invariant: a name holds nothing of its URL but the scheme.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z0-9]{1,32})://")
_BORDERS = re.compile(r"[/:@?&=#+,;]+")
_SHORTEST_TOKEN, _SHORTEST_WORD = 8, 12


def named(urls: str) -> Mapping[str, str]:
    """By public name (`tgram 1`, `tgram 2`, `ntfy 1`), the URLs that blanks or line ends set apart."""
    seen: Counter[str] = Counter()
    found = {}
    for url in dict.fromkeys(urls.split()):
        scheme = _SCHEME.match(url)
        kind = scheme[1].lower() if scheme else "push"
        seen[kind] += 1
        found[f"{kind} {seen[kind]}"] = url
    return found


def pieces(url: str) -> frozenset[str]:
    """Everything in a URL between its borders, plain and as it is written; for one sentence about this URL."""
    rest = _SCHEME.sub("", url, count=1)
    found = {piece for text in (rest, unquote(rest)) for piece in _BORDERS.split(text) if len(piece) > 3}
    return frozenset(found | {url, rest, unquote(rest)})


def tokens(url: str) -> frozenset[str]:
    """What of a URL must be in no log: the whole, and every piece that looks as if it were made to be secret.

    Host names and short plain words are left out: `localhost` or `webhook` blackened everywhere would make logs
    unreadable and protect nothing.
    """
    rest = _SCHEME.sub("", url, count=1)
    user, at, _ = rest.partition("@")
    found = {url, rest, unquote(rest)} | ({user, unquote(user)} if at else set())
    found |= set(_passwords(user)) if at else set()
    return frozenset(found | {piece for piece in pieces(url) if _is_secret(piece)})


def _passwords(credentials: str) -> Iterator[str]:
    """A password is secret whatever it looks like."""
    password = credentials.partition(":")[2]
    if password:
        yield from (password, unquote(password))


def _is_secret(piece: str) -> bool:
    if len(piece) < _SHORTEST_TOKEN or _is_host(piece):
        return False
    return len(piece) >= _SHORTEST_WORD or not piece.isalpha() or not piece.islower()


def _is_host(piece: str) -> bool:
    name = piece.rpartition("//")[2]
    try:
        ip_address(name)
    except ValueError:
        return re.fullmatch(r"([a-z0-9-]+[.])+[a-z]{2,}", name) is not None
    return True
