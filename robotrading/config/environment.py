"""Values and secrets from the environment, from files it points to, and from systemd's credentials.

Entry points: `VARIABLES`, `apply_environment`, `put`.
Order for NAME, first found wins: NAME itself, the file that NAME_FILE names, the file NAME in $CREDENTIALS_DIRECTORY.
There systemd writes `plain_NAME` and `sealed_NAME` for a file NAME of the folders that trading-bot.service names.
NAME and NAME_FILE together are an error. An empty variable counts as not set, as docker compose passes unset ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robotrading.config.decode import MISSING, Reading, decode
from robotrading.config.problems import InvalidConfig, KeyPath, Place, Problem, quoted
from robotrading.config.schema import exact_schema
from robotrading.config.source import read_secret
from robotrading.config.tree import Node

_YES = {"true", "1", "yes", "on"}
_NO = {"false", "0", "no", "off"}
_LONGEST_SECRET = 2000
_FOLDERS_OF_CREDENTIALS = ("", "plain_", "sealed_")


@dataclass(frozen=True, slots=True)
class Variable:
    """One name of the environment: the keys it sets, and for a switch the value that each position stands for."""

    name: str
    says: str
    keys: tuple[str, ...]
    secret: bool = False
    when_true: str = ""
    when_false: str = ""

    @property
    def is_switch(self) -> bool:
        return bool(self.when_true or self.when_false)


VARIABLES = (
    Variable("GMAIL_ADDRESS", "Mail account and sender.", ("mail.username", "mail.sender")),
    Variable("GMAIL_APP_PASSWORD", "Its app password.", ("mail.password",), secret=True),
    Variable("RECIPIENT_EMAIL", "Recipients, separated by commas.", ("mail.recipients",)),
    Variable("ALPHA_VANTAGE_KEY", "Key for Alpha Vantage.", ("feeds.alpha_vantage.api_key",), secret=True),
    Variable("ROBOTRADING_TOKEN", "Token of the daemon's own server.", ("service.token",), secret=True),
    Variable("ROBOTRADING_HOST", "Address on which the daemon answers; 0.0.0.0 in a container.", ("service.host",)),
    Variable(
        "ROBOTRADING_PUSH_URLS",
        "Where alerts go beside mail: Apprise URLs apart by blanks, e.g. tgram://token/chat or ntfys://topic.",
        ("alerts.push",),
        secret=True,
    ),
    Variable(
        "ROBOTRADING_HEARTBEAT_URL",
        "Asked every few minutes while all is well; a service that misses it raises the alarm.",
        ("alerts.heartbeat_url",),
        secret=True,
    ),
    Variable("IBKR_GATEWAY", "embedded or external.", ("broker.gateway",)),
    Variable("IBKR_HOST", "Host of the external gateway.", ("broker.host",)),
    Variable("IBKR_PORT", "Its port.", ("broker.port",)),
    Variable("IBKR_CLIENT_ID", "Base client id.", ("broker.client_id",)),
    Variable(
        "USE_PAPER",
        "false asks for live, and every rule for live holds.",
        ("broker.mode",),
        when_true="paper",
        when_false="live",
    ),
    Variable(
        "SHARES_PER_TRADE",
        "The most shares of one order.",
        ("sessions.equities.sizing.max_quantity", "sessions.bonds.sizing.max_quantity"),
    ),
    Variable("DEBUG", "true writes debug messages.", ("log.level",), when_true="debug"),
    Variable(
        "ROBOTRADING_DATABASE_URL",
        "PostgreSQL database for the ledger of the external gateway's account, shared by copies on several hosts: "
        "postgresql://user:password@host/name. Unset: a file below `state_dir`.",
        ("database_url",),
        secret=True,
    ),
    Variable("ROBOTRADING_STATE_DIR", "Folder of ledger, reports and cache.", ("state_dir",)),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A variable's text and who gave it."""

    text: str
    place: Place


def apply_environment(reading: Reading, env: Mapping[str, str]) -> None:
    """Put each variable that is set over what the file said; problems name the variable instead of a line."""
    if trouble := _closed(env.get("CREDENTIALS_DIRECTORY", "").strip()):
        reading.problems.append(Problem(Place("environment variable CREDENTIALS_DIRECTORY"), "", trouble))
        env = {**env, "CREDENTIALS_DIRECTORY": ""}
    for variable in VARIABLES:
        try:
            found = _find(variable.name, env)
        except InvalidConfig as error:
            reading.problems += [Problem(item.place, variable.keys[0], item.text) for item in error.problems]
            reading.spoiled |= {tuple(key.split(".")) for key in variable.keys}
            continue
        if found is not None:
            _apply(variable, found, reading)


def _find(name: str, env: Mapping[str, str]) -> Found | None:
    value, file = env.get(name, "").strip(), env.get(f"{name}_FILE", "").strip()
    both = Place(f"environment variables {name} and {name}_FILE")
    if value and file:
        raise InvalidConfig([Problem(both, "", "are both set; keep one of them")])
    if value:
        return Found(value, Place(f"environment variable {name}"))
    if file:
        return _from_file(Path(file), Place(f"environment variable {name}_FILE"))
    credential = _credential(name, env.get("CREDENTIALS_DIRECTORY", "").strip())
    return _from_file(credential, Place(f"systemd credential {name}")) if credential else None


def _closed(directory: str) -> str:
    """Why nobody can look for credentials there, once for all of them; '' where one can."""
    if not directory or "\0" in directory:
        return ""
    try:
        Path(directory, VARIABLES[0].name).exists()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return f"{directory} cannot be searched ({reason}); let this user enter that folder, or unset the variable"
    return ""


def _credential(name: str, directory: str) -> Path | None:
    if not directory or "\0" in directory:
        return None
    files = (Path(directory) / f"{folder}{name}" for folder in _FOLDERS_OF_CREDENTIALS)
    return next((file for file in files if file.exists()), None)


def _from_file(path: Path, place: Place) -> Found:
    try:
        return Found(read_secret(path), place)
    except InvalidConfig as error:
        raise InvalidConfig([Problem(place, "", str(item)) for item in error.problems]) from None


def _apply(variable: Variable, found: Found, reading: Reading) -> None:
    text = found.text
    if variable.is_switch:
        if text.lower() not in _YES | _NO:
            path = tuple(variable.keys[0].split("."))
            reading.complain(found.place, path, f"{quoted(text)} is no switch; write true or false")
            return
        text = variable.when_true if text.lower() in _YES else variable.when_false
        if not text:
            return
    for key in variable.keys:
        path = tuple(key.split("."))
        if variable.secret:
            _keep_secret(text, found.place, path, reading)
        elif (value := _value(text, found, path, reading)) is not MISSING:
            put(reading.values, path, value)
            reading.places[path] = found.place


def _keep_secret(text: str, place: Place, path: KeyPath, reading: Reading) -> None:
    """Of a secret's text nothing is ever shown."""
    reading.places[path] = place
    if text.isprintable() and len(text) <= _LONGEST_SECRET:
        reading.secrets[path] = text
    else:
        rule = f"the secret (not shown) must be one line of at most {_LONGEST_SECRET} characters"
        reading.complain(place, path, rule)


def _value(text: str, found: Found, path: KeyPath, reading: Reading) -> Any:
    schema = exact_schema()
    for part in path:
        schema = schema["properties"][part]
    if schema["type"] == "array":
        parts = [part.strip() for part in text.split(",")]
        node = Node(found.place, items=tuple(Node(found.place, text=part) for part in parts if part))
    else:
        node = Node(found.place, text=text)
    return decode(node, schema, path, reading)


def put(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set the value at a path of nested mappings."""
    for part in path[:-1]:
        values = values.setdefault(str(part), {})
    values[str(path[-1])] = value
