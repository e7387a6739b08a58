"""From a path to text, or to one sentence why not.

Entry points: `find_file`, `read_text`, `read_secret`.
"""

from __future__ import annotations

from pathlib import Path

from robotrading.config.problems import InvalidConfig, Place, Problem

_USUAL_NAME = "config.yaml"
_MOST_BYTES = 262_144
_MOST_SECRET_BYTES = 4_096
_START = "copy the config.yaml that comes with robotrading and change that, or name the right file with --config"


def find_file(folder: Path) -> Path | None:
    """The `config.yaml` of a folder, if there is one, or if nobody can tell: who reads it says why not."""
    usual = folder / _USUAL_NAME
    try:
        return usual if usual.exists() or usual.is_symlink() else None
    except OSError:
        return usual


def read_text(path: Path) -> str:
    """The file's text without a byte order mark; raises `InvalidConfig` with one problem."""
    raw = _read(path, _MOST_BYTES, _START)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise _trouble(
            path, f"line {line} holds the byte 0x{byte:02x}, which is not UTF-8; save the file as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _trouble(path, f"line {line} holds a NUL character; this is no text file, or it was damaged: {_START}")
    return text


def read_secret(path: Path) -> str:
    """One line of a secret's file, without the space around it; raises `InvalidConfig`, never showing the content."""
    raw = _read(path, _MOST_SECRET_BYTES, "put the secret alone into that file, readable by this user")
    try:
        text = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise _trouble(path, "is not UTF-8 text; save it as UTF-8") from None
    if not text:
        raise _trouble(path, "is empty; write the value into it")
    if not text.isprintable():
        raise _trouble(path, "holds more than one line, or control characters; write one line of text into it")
    return text


def _read(path: Path, most: int, way_out: str) -> bytes:
    """At most `most` bytes of a regular file: a pipe or a device could keep us waiting for ever."""
    try:
        if path.exists() and not path.is_file():
            raise _trouble(path, f"is not a regular file; {way_out}")
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise _trouble(path, f"there is no such file; {way_out}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise _trouble(path, f"cannot be read ({reason.lower()}); {way_out}") from None
    if len(raw) > most:
        raise _trouble(path, f"is larger than the {most} bytes allowed; {way_out}")
    return raw


def _trouble(path: Path, text: str) -> InvalidConfig:
    return InvalidConfig([Problem(Place(str(path)), "", text)])
