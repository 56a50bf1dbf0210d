"""A headless Chromium that opens pages from disk, spoken to by its own protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from time_limits import HANGS
from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = HANGS
HEADLESS = ("--headless=new", "--no-sandbox", "--disable-gpu")


class Seen:
    """What came of opening a page.

    Attributes:
        answers: of each expression.
        errors: exceptions of scripts, and what the console calls an error.
        requests: every address that was asked for.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.errors: list[str] = []
        self.requests: list[str] = []


def opens_pages(profile: Path) -> bool:
    """Whether there is a browser that shows an empty page here.

    Args:
        profile: a folder for the browser's own files.
    """
    if CHROMIUM is None:
        return False
    page = ("--dump-dom", f"--user-data-dir={profile}", "about:blank")
    done = subprocess.run([CHROMIUM, *HEADLESS, *page], capture_output=True, timeout=HANGS)
    return done.returncode == 0 and b"<html>" in done.stdout


def opened(page: Path, profile: Path, expressions: Sequence[str], width: int = 1200) -> Seen:
    """Open a page, evaluate expressions in it, one after another, and say what was seen.

    Args:
        page: a file of HTML.
        profile: a folder for the browser's own files.
        expressions: of JavaScript; their values must be JSON.
        width: of the window.
    """
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [
            CHROMIUM,
            *HEADLESS,
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            f"--window-size={width},900",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return asyncio.run(_spoken(_socket(profile), page, expressions))
    finally:
        process.kill()
        process.wait()


def _socket(profile: Path) -> str:
    """The address of the first page's socket."""
    end = time.monotonic() + SECONDS
    active = profile / "DevToolsActivePort"
    while time.monotonic() < end:
        try:
            port = active.read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError, ValueError):
            time.sleep(0.1)  # it has not begun to listen
    raise AssertionError("the browser does not answer")


async def _spoken(socket: str, page: Path, expressions: Sequence[str]) -> Seen:
    seen, number = Seen(), 0
    connection = await websocket_connect(socket, max_message_size=2**28)

    async def call(method: str, **parameters: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        own = number
        await connection.write_message(
            json.dumps({"id": own, "method": method, "params": parameters})
        )
        while True:
            message = await asyncio.wait_for(_next(connection), SECONDS)
            if message.get("id") == own:
                return dict(message.get("result", message))
            _note(seen, message)

    for domain in ("Runtime", "Log", "Network", "Page"):
        await call(f"{domain}.enable")
    await call("Page.navigate", url=page.absolute().as_uri())
    ready = (
        "new Promise(found => document.readyState === 'complete' ? found(1) : "
        "addEventListener('load', () => found(1)))"
    )
    for expression in (ready, *expressions):
        answer = await call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        seen.answers.append(answer["result"].get("value"))
    seen.answers = seen.answers[1:]
    connection.close()
    return seen


async def _next(connection: Any) -> dict[str, Any]:
    message = await connection.read_message()
    assert message is not None, "the browser ended"
    found: dict[str, Any] = json.loads(message)
    return found


def _note(seen: Seen, message: dict[str, Any]) -> None:
    method, parameters = message.get("method"), message.get("params", {})
    if method == "Runtime.exceptionThrown":
        seen.errors.append(json.dumps(parameters["exceptionDetails"]))
    elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
        seen.errors.append(parameters["entry"]["text"])
    elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
        seen.errors.append(json.dumps(parameters["args"]))
    elif method == "Network.requestWillBeSent":
        seen.requests.append(parameters["request"]["url"])
