"""Debian's Chromium without a window, for tests of pages."""

import atexit
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"
    ),
]


@contextmanager
def chromium(*flags: str) -> Iterator:
    """A browser; skips the test where playwright isn't installed."""
    browser = _playwright().chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
    yield browser
    browser.close()


@cache
def _playwright():
    """Started once a process: its synchronous interface refuses a second one in the same thread."""
    playwright = pytest.importorskip(
        "playwright.sync_api",
        reason="no playwright in this environment: pip install 'trilift[dev]'",
    )
    started = playwright.sync_playwright().start()
    atexit.register(started.stop)
    return started
