"""Where the service of a configuration answers, read without checking the rest: light, for who asks often.

Entry point: `service_url`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from robotrading.config.source import read_text
from robotrading.config.tree import Node, read_tree

_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  listened on everywhere, asked on loopback
_USUAL_PORT = "8080"


def service_url(file: Path | None, env: Mapping[str, str]) -> str:
    """As the file and the environment say it, else as is usual. Raises `InvalidConfig` for a file nobody can read."""
    there: dict[str, str] = {}
    if file is not None:
        tree, _ = read_tree(read_text(file), str(file))
        there = _texts(_entry(tree, "service"))
    host = env.get("ROBOTRADING_HOST") or there.get("host", "")
    host = _HERE.get(host, host)
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{there.get('port', _USUAL_PORT)}/health"


def _entry(node: Node | None, name: str) -> Node | None:
    entries = node.entries if node is not None else None
    return next((value for key, value in entries or () if key.text == name), None)


def _texts(node: Node | None) -> dict[str, str]:
    entries = node.entries if node is not None else None
    return {key.text: value.text for key, value in entries or () if key.text and value.text and not value.is_null}
