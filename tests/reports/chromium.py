"""A page of the report in a real Chromium: the one that is installed, never one that is fetched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)

PATIENCE = 30_000  # ms


@dataclass(frozen=True)
class Screen:
    """What a reader looks at."""

    width: int
    height: int
    is_dark: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """How a browser is told of it; a narrow one is a phone, which is touched."""
        is_phone = self.width < 600
        return {
            "viewport": {"width": self.width, "height": self.height},
            "color_scheme": "dark" if self.is_dark else "light",
            "is_mobile": is_phone,
            "has_touch": is_phone,
        }


SCREENS = {
    "phone, light": Screen(390, 844),
    "phone, dark": Screen(390, 844, is_dark=True),
    "desktop, light": Screen(1280, 900),
    "desktop, dark": Screen(1280, 900, is_dark=True),
}
DESKTOP = SCREENS["desktop, light"]
on_each_screen = pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)


@dataclass
class Opened:
    """A page that is open, what it says on the console, and what it asks for besides itself."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open_all(self) -> None:
        """Open whatever can be opened."""
        self.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = 1")

    def sideways(self) -> int:
        """How many pixels are hidden to the right."""
        return self.page.evaluate("document.documentElement.scrollWidth") - self.page_width

    @property
    def page_width(self) -> int:
        """How wide the page may be."""
        size = self.page.viewport_size
        assert size is not None
        return size["width"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of our own; a busy machine may take its time."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            chromium_sandbox=False,  # containers have none
        )
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, place: str = "", screen: Screen = DESKTOP, **options: Any
) -> Iterator[Opened]:
    """The page of a file, at a place in it, as a reader without a network opens it."""
    context = browser.new_context(offline=True, **screen.options, **options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    seen = Opened(page)
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(error.message))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(file.as_uri() + place)
    seen.requests.remove(file.as_uri())
    yield seen
    context.close()


def charts_of(page: Page) -> list[tuple[float, float, int]]:
    """Width, height and number of texts of each chart."""
    found = page.eval_on_selector_all(
        "figure svg",
        """(all) => all.map((svg) => {
          const { width, height } = svg.getBoundingClientRect();
          return [width, height, svg.querySelectorAll("text").length];
        })""",
    )
    return [(width, height, texts) for width, height, texts in found]
