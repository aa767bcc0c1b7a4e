"""A JupyterLab on loopback with copies of the lessons, and Chromium to read it with."""

from collections.abc import Iterator

import pytest
from loopback import FLAGS, NAMES, Lab, chromium, jupyterlab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on copies, so that running a lesson here changes no stored output."""
    with jupyterlab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium, headless."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = chromium()
    if program is None:
        pytest.skip(f"no Chromium on this machine: none of {', '.join(NAMES)}, "
                    "and CHROMIUM=path is not set")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, headless=True, args=FLAGS,
                                         chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh window, as wide as a laptop's."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()
