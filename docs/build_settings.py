"""Write docs/settings.md from the settings classes themselves: `python docs/build_settings.py`.

A test compares the page with what this writes, so that no setting is undocumented.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from assistant.settings import AssistantSettings, Section
from audit.settings import AuditSettings
from index.settings import IndexSettings
from ingest.settings import IngestSettings
from ui.settings import UiSettings

HEAD = """# Settings

Settings stand in `cloister.toml` in the data folder, one table for each part; a variable
`CLOISTER_<TABLE>_<KEY>` wins over the file. Without either, the default holds. A key or variable
that nobody knows stops the start (exit code 3), so that a misspelt protection cannot be off
unnoticed. `CLOISTER_HOME` names the data folder itself.

```toml
[assistant]
model = "mistral-7b-instruct.Q4_K_M.gguf"
model_sha256 = "..."
```

This page is written by `python docs/build_settings.py`.
"""

Row = tuple[str, object, str]


def rows_of(section: type[Section]) -> list[Row]:
    return [(key, f.default, f.description or "") for key, f in section.model_fields.items()]


def audit_rows() -> list[Row]:
    fields = dataclasses.fields(AuditSettings)
    return [(f.name, f.default, str(f.metadata["description"])) for f in fields]


def page() -> str:
    tables: list[tuple[str, str, list[Row]]] = [
        ("audit", AuditSettings.__doc__ or "", audit_rows()),
        *(
            (section.section, section.__doc__ or "", rows_of(section))
            for section in (IndexSettings, IngestSettings, AssistantSettings, UiSettings)
        ),
    ]
    parts = [HEAD]
    for name, about, rows in tables:
        parts.append(f"\n## [{name}]\n\n{about.strip().splitlines()[0]}\n\n")
        parts.append("| key | default | meaning |\n|---|---|---|\n")
        parts += [f"| `{key}` | {shown(value)} | {text} |\n" for key, value, text in rows]
    return "".join(parts)


def shown(default: object) -> str:
    if default is None:
        return "empty"
    return f"`{json.dumps(default)}`"


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(page(), encoding="utf-8")
