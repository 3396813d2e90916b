"""Promises about the project as a whole: its arrows, pins, licences, commands and containers."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("audit", "index", "ingest", "assistant", "ui")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Copyleft that would bind what we ship. The LGPL and MPL bind only changes to their own files.
UNWANTED_LICENCE = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def shipped() -> set[str]:
    """Every distribution that an installation without the development tools brings along."""
    found: set[str] = set()
    todo = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        if name in found or (need.marker and not need.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        todo += [Requirement(r) for r in importlib.metadata.requires(name) or []]
    return found


def test_the_arrows_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_every_shipped_distribution_is_pinned_as_installed() -> None:
    pinned = pins()
    unpinned = {name for name in shipped() if name not in pinned}
    assert not unpinned
    different = {
        name: (pinned[name], importlib.metadata.version(name))
        for name in shipped()
        if importlib.metadata.version(name).split("+")[0] != pinned[name]
    }
    assert not different


def test_no_shipped_distribution_binds_us_by_its_licence() -> None:
    binding = {}
    for name in shipped():
        about = importlib.metadata.metadata(name)
        named = [about.get("License-Expression") or "", (about.get("License") or "")[:200]]
        named += [c for c in about.get_all("Classifier") or [] if c.startswith("License")]
        text = " ".join(named).replace("LGPL", "").replace("Lesser General Public", "")
        if UNWANTED_LICENCE.search(text):
            binding[name] = text
    assert not binding


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_stay_small_and_package_files_hold_a_docstring_at_most(package: str) -> None:
    for module in (ROOT / package).glob("**/*.py"):
        lines = module.read_text(encoding="utf-8").count("\n")
        assert lines <= 400, f"{module} has {lines} lines"
    assert (ROOT / package / "__init__.py").read_text().strip().count('"""') == 2


def test_the_readme_names_only_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))
    named |= set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_ci_runs_the_readme_s_test_command() -> None:
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert re.search(r"^make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)


class TestCompose:
    """There is no container engine in the tests, so the file is held to its promises as data."""

    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())

    def test_the_only_network_has_no_way_out(self) -> None:
        assert all(network["internal"] is True for network in self.compose["networks"].values())
        for service in self.compose["services"].values():
            assert set(service["networks"]) <= set(self.compose["networks"])
            assert "ports" not in service
            assert "network_mode" not in service

    def test_every_service_is_confined(self) -> None:
        for service in self.compose["services"].values():
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert "no-new-privileges:true" in service["security_opt"]
            assert "privileged" not in service

    def test_ingestion_and_chat_share_the_data_and_documents_are_read_only(self) -> None:
        services = self.compose["services"]
        assert all("data:/data" in service["volumes"] for service in services.values())
        assert all(volume.endswith(":ro") for volume in services["ingest"]["volumes"][1:])

    def test_a_gpu_is_an_option(self) -> None:
        with_gpu = [
            name for name, service in self.compose["services"].items() if "deploy" in service
        ]
        assert with_gpu == ["chat-gpu"]
        assert self.compose["services"]["chat-gpu"]["profiles"] == ["gpu"]


def bootstrap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(ROOT / ".ci" / "bootstrap"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )


def test_a_missing_compiler_is_named_before_anything_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    for name in (".ci/bootstrap", "constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    result = subprocess.run(
        [sys.executable, str(tmp_path / ".ci" / "bootstrap"), "run"],
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path)},
        check=False,
    )
    assert result.returncode == 3
    assert result.stderr.startswith("cloister: A C++ compiler is missing")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


def test_bootstrap_refuses_what_it_does_not_know() -> None:
    result = bootstrap("everything")
    assert result.returncode == 3
    assert "bootstrap run" in result.stderr
