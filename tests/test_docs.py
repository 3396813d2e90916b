"""Every setting is documented, and every link between the documents leads somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_settings_page_is_what_the_settings_say() -> None:
    spec = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build_settings.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == build.page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def test_every_decision_is_numbered_once_and_dated() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [decision.name[:4] for decision in decisions]
    assert numbers == [f"{n:04d}" for n in range(1, len(decisions) + 1)]
    for decision in decisions:
        assert re.search(r"20\d\d-\d\d-\d\d", decision.read_text(encoding="utf-8")), decision
