"""A page in a process of its own, and stories in a headless Chromium that looks at it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = Path("/usr/bin/chromium")
LANGUAGES = ("en", "it")
LOCALES = {"en": "en-GB", "it": "it-IT"}


@dataclass
class Server:
    """A running `ricorda page`."""

    address: str
    """Such as `http://127.0.0.1:8642`."""
    folder: Path
    """Its working folder; its cache is `folder / "cache"`."""
    process: subprocess.Popen[str]


@contextmanager
def started(folder: Path, *arguments: object, **environment: str) -> Iterator[Server]:
    """`ricorda page ...` on a free port, until the end of the block."""
    pytest.importorskip("nicegui", reason="nicegui is not installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "ricorda", "page", *map(str, arguments), "--port", "0", "--no-open"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RICORDA_CACHE": str(folder / "cache"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if address := re.search(r"https?://\S+?(?=/cell)", line):
            break
    else:
        raise AssertionError("".join(lines))
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))  # or the pipe would be full one day
    reader.start()
    try:
        yield Server(address[0], folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)
        reader.join()
        process.stdout.close()
        told = "".join(lines[1:]).strip()
        assert "Traceback" not in told, told


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Server]:
    """A page with the model `model`, a small classifier of texts; shared by all stories."""
    folder = tmp_path_factory.mktemp("page")
    kernels = Path(os.environ["RICORDA_CACHE"]) / "of-pages"  # The machine code of the tests before.
    kernels.mkdir(parents=True, exist_ok=True)
    shutil.copytree(kernels, folder / "cache")
    with started(folder, trained / "model") as running:
        yield running
    for kernel in (folder / "cache").glob("*.kernel"):
        shutil.copy(kernel, kernels)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for the stories of a file."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Story:
    """Browsers that look at a server's page; `check` holds what no story may do."""

    browser: Any
    server: Server
    contexts: list[Any] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, address: str = "/", language: str | None = "en", *, context: Any = None, **options: Any) -> Any:
        """A page of playwright at an address of the server, such as `/cell?cell=lstm`.

        Parameters
        ----------
        address : what stands behind the host
        language : what the browser is set to
        context : a browser that has looked already; otherwise a new one, which shares nothing with others
        options : of the new browser, such as `color_scheme="dark"` or `viewport`
        """
        if context is None:
            options.setdefault("viewport", {"width": 1280, "height": 900})
            context = self.browser.new_context(locale=LOCALES.get(language or ""), **options)
            context.set_default_timeout(90_000)  # The machine may be busy.
            self.contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"{self.server.address}{address}")
        page.wait_for_selector(".main")
        return page

    def check(self) -> None:
        """No other host was asked for anything, and nothing went wrong in the browser."""
        hosts = {urlsplit(url).netloc for url in self.requests if urlsplit(url).scheme in ("http", "https", "ws")}
        assert hosts <= {urlsplit(self.server.address).netloc}
        assert self.errors == []


@pytest.fixture
def story(chromium: Any, server: Server) -> Iterator[Story]:
    """A story on the shared server: `page = story.open("/cell", language)`."""
    told = Story(chromium, server)
    yield told
    for context in told.contexts:
        context.close()
    told.check()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """Both languages of the page, one after the other."""
    return str(request.param)


@pytest.fixture
def say(language: str) -> Callable[..., str]:
    """A sentence of a tab, or of the frame, in the story's language: `say("cell", "title")`."""
    from ricorda.page.tabs import Tab
    from ricorda.page.texts import TEXTS

    def sentence(tab: str, key: str, **values: object) -> str:
        return (TEXTS if tab == "frame" else Tab(tab).texts)[key][LANGUAGES.index(language)].format(**values)

    return sentence
