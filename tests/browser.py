"""Pages as a person would see them: Debian's Chromium without a window."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Dialog, Page, sync_playwright

ROOT = Path(__file__).parents[1]

SCREENSHOTS = ROOT / "build" / "screenshots"
"""What tests saw, kept for whoever looks at a run."""

Scheme = Literal["light", "dark"]


@contextmanager
def opened(page: str | Path, *, scheme: Scheme = "light", width: int = 1200, height: int = 800) -> Iterator[Page]:
    """An HTML text, a file or an URL in a browser that reaches nothing else than loopback.

    Dialogs, errors of scripts and requests to anywhere else are collected, and fail the test at the end.

    Args:
        page: the HTML text, the path of a file, or an http URL.
        scheme: the colours that the page is asked for.
        width: of the window, in pixels.
        height: of the window, in pixels.
    """
    binary = subprocess.run([ROOT / "tools" / "chromium.sh"], check=True, capture_output=True, text=True).stdout.strip()
    complaints: list[str] = []
    # Root has no sandbox in a container; what is opened here is our own.
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        try:
            tab = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
            tab.on("dialog", lambda dialog: _dismiss(dialog, complaints))
            tab.on("pageerror", lambda error: complaints.append(f"script: {error}"))
            tab.on("request", lambda request: complaints.extend(_strange(request.url)))
            if isinstance(page, Path):
                tab.goto(page.resolve().as_uri())
            elif page.startswith("http"):
                tab.goto(page)
            else:
                tab.set_content(page)
            yield tab
        finally:
            browser.close()
    assert not complaints, complaints


def _dismiss(dialog: Dialog, complaints: list[str]) -> None:
    complaints.append(f"dialog: {dialog.message}")
    dialog.dismiss()


def _strange(url: str) -> list[str]:
    own = ("file:", "data:", "about:", "http://127.0.0.1:")
    return [] if url.startswith(own) else [f"request to {url}"]


def screenshot(tab: Page, name: str) -> Path:
    """The whole page as a picture, kept as ``name`` beside those of the other tests."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    tab.screenshot(path=path, full_page=True)
    return path
