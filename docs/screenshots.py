"""Makes docs/images/chat-desk.png and chat-phone.png from the sample documents.

    python docs/screenshots.py [--home DIR] [--question TEXT]

Starts the real command: ingests `samples/documents` into a data folder (a temporary one unless
`--home` names one that holds them already), serves the chat on a free port, asks, and opens the
first source. Needs Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
QUESTION = "How long is the file of a complaint kept?"
ANSWER_SECONDS = 300  # a first answer loads the model, on a machine that may be busy
VIEWS = {"chat-desk.png": (1280, 800), "chat-phone.png": (390, 844)}


def cloister(home: Path, *arguments: str) -> list[str]:
    """The command line of `cloister` with this interpreter."""
    return [sys.executable, "-m", "ui.main", "--home", str(home), *arguments]


@contextmanager
def chat(home: Path) -> Iterator[subprocess.Popen[str]]:
    """The chat as a process of its own, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = cloister(home, "chat", "--no-open", "--port", port)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.terminate()


def sign_in_link(process: subprocess.Popen[str]) -> str:
    """The link that the chat prints when it listens."""
    for line in process.stdout or ():
        if found := re.search(r"http://\S+/signin\?token=\S+", line):
            return found.group()
    raise SystemExit("The chat ended before it printed its link; see its message above.")


def photograph(browser: Browser, home: Path, name: str, question: str, scheme: str) -> None:
    """One picture: the answer, and on a desk the cited page beside it."""
    width, height = VIEWS[name]
    with chat(home) as process:
        link = sign_in_link(process)
        context = browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=2 if width < 600 else 1,
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto(link)
        page.wait_for_selector(".welcome", timeout=60_000)
        page.locator("#cl-question textarea").fill(question)
        page.keyboard.press("Enter")
        page.wait_for_selector("#cl-live .verdict", timeout=ANSWER_SECONDS * 1000)
        if width >= 900:
            page.locator("#cl-live .source").first.click()
            page.wait_for_selector("#cl-viewer :is(.mark, mark)", timeout=60_000)
        page.wait_for_timeout(1000)  # fonts and smooth scrolling
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=IMAGES / name)
        context.close()


def main() -> None:
    """Ingest, ask, photograph."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, help="data folder that holds the samples already")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    chosen = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("Chromium is needed for the screenshots: apt-get install chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = chosen.home or Path(folder) / "home"
        if chosen.home is None:
            add = cloister(home, "ingest", "add", str(ROOT / "samples" / "documents"))
            subprocess.run(add, check=True, cwd=ROOT)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in VIEWS:
            photograph(browser, home, name, chosen.question, chosen.scheme)
        browser.close()


if __name__ == "__main__":
    main()
