"""`health`: whether a running service is able to trade, by asking it over HTTP. Light: containers ask twice a minute.

Entry points: `ask`, `health`.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from robotrading.cli.exits import Exit
from robotrading.cli.options import ConfigPath
from robotrading.cli.out import printable, write
from robotrading.config.address import service_url
from robotrading.config.source import find_file

URL = "http://127.0.0.1:8080/health"
"""How one is written."""
_MOST_BYTES = 65_536

Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="ROBOTRADING_HEALTH_URL",
        help="Where the service answers. Default: where the configuration says.",
        show_default=False,
    ),
]
Seconds = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60.0, help="How long to wait for it.")
]


def health(url: Url = "", timeout: Seconds = 4.0, config: ConfigPath = None) -> None:
    """Whether the running service is able to trade: exit code 0 if so, 4 if not or if nobody answers."""
    able, sentence = ask(url or service_url(config or find_file(Path()), os.environ), timeout)
    write(printable(sentence))
    raise typer.Exit(Exit.OK if able else Exit.FAILED)


def ask(url: str, seconds: float) -> tuple[bool, str]:
    """Whether the service at a URL is able to trade, and its answer in one line. Waits `seconds` at most per step."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, 80 if parts.port is None else parts.port
    except ValueError as error:
        return False, f"{url}: not a URL ({error}); write it as {URL}"
    if parts.scheme != "http" or not host:
        return False, f"{url}: not the URL of a service; write it as {URL}"
    connection = HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request("GET", parts.path or "/health", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status == 200, _line(answer.status, answer.read(_MOST_BYTES))
    except UnicodeError as error:
        return False, f"{url}: not a URL ({error}); write it as {URL}"
    except (OSError, HTTPException) as error:
        said = str(error) or type(error).__name__
        return False, f"nobody answers at {url}: {said}; is the service started, and there (else --url)?"
    finally:
        connection.close()


def _line(status: int, body: bytes) -> str:
    """What the service says of itself; another program's answer is named by its status alone."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    sentence = said.get("sentence") if isinstance(said, dict) else None
    return sentence if isinstance(sentence, str) else f"answered with HTTP status {status}"
