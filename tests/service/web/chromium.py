"""A headless Chromium, driven through its DevTools protocol: pages, pictures, and what it complains of."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

WORDS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-debugging-address=127.0.0.1",
    "about:blank",
)
_COMPLAINTS = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded"}
_PATIENCE = 30.0


def found() -> str:
    """The program; a skip where there is none, and a failure where there has to be one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        why = "no Chromium here (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return path


@contextmanager
def chromium(folder: Path) -> Iterator[str]:
    """A browser of its own with an empty profile; the address of its DevTools. Nothing of it is left afterwards."""
    program = found()
    profile = folder / "profile"
    profile.mkdir()
    with (folder / "chromium.log").open("wb") as said:
        process = subprocess.Popen(
            [program, f"--user-data-dir={profile}", *WORDS],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={**os.environ, "HOME": str(folder)},
        )
        try:
            yield _address(profile / "DevToolsActivePort", process)
        finally:
            _end(process)


def _address(told: Path, process: subprocess.Popen[bytes]) -> str:
    waited = 0.0
    while waited < _PATIENCE and process.poll() is None:
        lines = told.read_text().split() if told.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            waited += 0.05
    pytest.fail(f"Chromium did not start: {(told.parent.parent / 'chromium.log').read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The browser and all its processes: asked first, then made to."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)


class Tab:
    """One page with its own look: width, theme, with or without scripts."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._number = 100
        self.complaints: list[Any] = []
        self.requested: list[str] = []

    async def ask(self, method: str, **words: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what is heard meanwhile is kept."""
        self._number += 1
        await self._socket.send(
            json.dumps({"id": self._number, "method": method, "params": words, "sessionId": self._session})
        )
        async with asyncio.timeout(_PATIENCE):
            while True:
                heard = json.loads(await self._socket.recv())
                if heard.get("id") == self._number:
                    assert "error" not in heard, heard
                    return heard["result"]
                self._hear(heard)

    async def open(self, url: str) -> None:
        """Load a page and wait until it is drawn."""
        await self.ask("Page.navigate", url=url)
        async with asyncio.timeout(_PATIENCE):
            while True:
                heard = json.loads(await self._socket.recv())
                self._hear(heard)
                if heard.get("method") == "Page.loadEventFired":
                    return

    async def value(self, expression: str) -> Any:
        """What JavaScript of ours says (the page has none)."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """The whole page as PNG."""
        size = (await self.ask("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(answer["data"])

    def _hear(self, heard: dict[str, Any]) -> None:
        if heard.get("method") in _COMPLAINTS:
            self.complaints.append(heard["params"])
        if heard.get("method") == "Network.requestWillBeSent":
            self.requested.append(heard["params"]["request"]["url"])


@asynccontextmanager
async def tab(address: str, width: int = 1280, theme: str = "light", scripts: bool = True) -> AsyncIterator[Tab]:
    """A new page of the browser."""
    async with connect(address, max_size=2**26, proxy=None) as socket:
        browser = Tab(socket, "")
        target = await _plain(socket, "Target.createTarget", url="about:blank")
        attached = await _plain(socket, "Target.attachToTarget", targetId=target["targetId"], flatten=True)
        browser._session = attached["sessionId"]
        for part in ("Page", "Log", "Runtime", "Network", "Audits"):
            await browser.ask(f"{part}.enable")
        phone = width < 700
        await browser.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone
        )
        feature = {"name": "prefers-color-scheme", "value": theme}
        await browser.ask("Emulation.setEmulatedMedia", features=[feature])
        if not scripts:
            await browser.ask("Emulation.setScriptExecutionDisabled", value=True)
        yield browser
        await _plain(socket, "Target.closeTarget", targetId=target["targetId"])


async def _plain(socket: ClientConnection, method: str, **words: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"id": 1, "method": method, "params": words}))
    async with asyncio.timeout(_PATIENCE):
        while True:
            heard = json.loads(await socket.recv())
            if heard.get("id") == 1:
                return heard["result"]
