"""No line of a log bears a secret of the configuration, in whatever spelling a library writes it."""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import quote

import pytest

from robotrading.adapters.logs.lines import json_lines, text_lines
from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.defaults import default_config
from robotrading.service.alerts.settings import AlertSettings
from robotrading.wiring.logs import secrets_in

TOKEN = "987654321:AAcanaryOfTelegram-Q_x7Lz9vWk3bT5rNm8d"
PASSWORD = "p@ss/word"
HEARTBEAT = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"
CONFIG = replace(
    default_config(),
    mail=MailSettings(password="app-pass-word"),
    alerts=AlertSettings(
        push=f"tgram://{TOKEN}/1234567 json://bot:{quote(PASSWORD, safe='')}@hooks.example.com/in",
        heartbeat_url=f"https://hc-ping.com/{HEARTBEAT}",
    ),
)


@pytest.mark.parametrize("lines", [json_lines, text_lines])
@pytest.mark.parametrize(
    "said",
    [
        CONFIG.alerts.push,
        CONFIG.alerts.heartbeat_url,
        f"POST https://api.telegram.org/bot{TOKEN}/sendMessage",
        f"/bot{quote(TOKEN, safe='')}/sendMessage",
        f"login as bot with {PASSWORD}",
        f"GET /{HEARTBEAT} HTTP/1.1",
        "app-pass-word",
    ],
)
def test_what_a_library_says_is_masked(lines, said: str):
    record = logging.LogRecord("urllib3", logging.DEBUG, "", 0, "%s", (said,), None)
    line = lines({}, secrets_in(CONFIG)).format(record)
    for secret in (TOKEN, TOKEN.partition(":")[2], PASSWORD, quote(PASSWORD, safe=""), HEARTBEAT, "app-pass-word"):
        assert secret not in line
    assert "***" in line


def test_what_is_not_set_is_no_secret():
    """An empty one would blacken every line."""
    assert secrets_in(default_config()) == ()
