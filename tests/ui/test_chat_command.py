"""`cloister chat` as a person or a service manager runs it: the real parts, no stand-ins."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.ui.serving import free_port

pytestmark = pytest.mark.slow


def hears_interrupts() -> None:
    """A shell makes what it runs in the background deaf to Ctrl+C; whoever runs the tests so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_signs_in_once_and_ends_in_good_order(
    home: Path, number: signal.Signals, code: int
) -> None:
    port = free_port()
    base = [sys.executable, "-m", "ui.main", "--home", str(home)]
    command = [*base, "chat", "--no-open", "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=hears_interrupts
    ) as process:
        assert process.stdout is not None
        link = next(
            found.group()
            for line in process.stdout
            if (found := re.search(r"http://\S+/signin\?token=\S{43,}", line))
        )
        assert status(f"http://127.0.0.1:{port}/") == 401
        assert status(link) == 200
        assert status(link) == 401
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 3
        assert "--port" in second.stderr
        process.send_signal(number)
        assert process.wait(30) == code
    done = subprocess.run(
        [*base, "audit", "list", "--json"], capture_output=True, text=True, check=True
    )
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert "session.signed_in" in kinds
    assert "session.sign_in_failed" in kinds
    assert "log.recovered" not in kinds  # it was closed, not torn


@pytest.mark.parametrize("host", ["0.0.0.0", "8.8.8.8", "::", "everywhere"])  # noqa: S104 - refused
def test_addresses_that_the_world_can_reach_are_refused(home: Path, host: str) -> None:
    from ui.main import run

    (home / "cloister.toml").write_text(f'[ui]\nhost = "{host}"\n')
    assert run(["--home", str(home), "chat"]) == 3
    assert not (home / "audit").exists()
