"""Wires an index by hand, from settings to one object."""

from __future__ import annotations

from pathlib import Path

from index import manifest, prepare
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.chroma import drop_unused, open_chroma
from index.embed import SentenceTransformerEmbedder
from index.embed_folder import ModelFolder, default_folder
from index.embed_onnx import OnnxEmbedder
from index.errors import MissingModel
from index.files import FileLock, private_folder
from index.lexical import TantivyStore
from index.ports import Embedder
from index.search import Tuning
from index.settings import IndexSettings
from index.store import Index
from index.views import Views


def open_index(home: Path) -> Index:
    """The index in the data folder `home`, which is created if need be.

    Raises:
        ConfigurationError, MissingModel, EmbedderMismatch, HomeUnavailable, HomeFull,
        CatalogueBusy, CatalogueCorrupt, CatalogueTooNew.
    """
    settings = IndexSettings.load(home)
    private_folder(home)
    return assemble(home, settings, open_embedder(home, settings))


def assemble(home: Path, settings: IndexSettings, embedder: Embedder) -> Index:
    """An index from its parts; `open_index` with an embedder of choice."""
    views = private_folder(home / "views")
    lock = FileLock(views / "chroma.lock")
    url = settings.catalogue_url or f"sqlite:///{home / 'catalogue.db'}"
    catalogue = Catalogue(url, settings.busy_timeout_ms)
    chroma = settings.vector_view == "chroma"
    if not chroma:
        drop_unused(views / "chroma", lock)
    return Index(
        catalogue,
        Blobs(home / "blobs", home / "tmp"),
        Views(
            catalogue,
            embedder.dimensions,
            TantivyStore(views / "lexical"),
            (lambda: open_chroma(views / "chroma", lock)) if chroma else None,
        ),
        embedder,
        Tuning(settings.dense_weight, settings.candidates),
        (catalogue.path, catalogue.log_path, home / "blobs", views),
    )


def open_embedder(home: Path, settings: IndexSettings) -> Embedder:
    """The configured embedder; its weights are checked and loaded when first used.

    Raises:
        MissingModel: ONNX Runtime is demanded and nothing was prepared for it.
    """
    files = embedder_files(home, settings)
    backend = settings.embedder_backend
    if backend != "torch" and settings.embedder_device in ("auto", "cpu"):
        found = prepare.prepared(files.fingerprint)
        if found is not None:
            return OnnxEmbedder(files, found.graph, found.digest, threads=settings.embedder_threads)
    if backend == "onnx":
        raise MissingModel("it is not prepared for ONNX Runtime; run `python -m index.prepare`")
    return SentenceTransformerEmbedder(
        files.path,
        files.pins,
        device=settings.embedder_device,
        threads=settings.embedder_threads,
        batch=settings.embedder_batch,
        name=files.name,
    )


def embedder_files(home: Path, settings: IndexSettings) -> ModelFolder:
    """The folder and pins of the configured embedder."""
    if settings.embedder_folder is None:
        return ModelFolder(default_folder(), manifest.DEFAULT_PINS)
    folder = home / settings.embedder_folder  # an absolute path stays what it is
    beside = folder.with_name(f"{folder.name}.manifest.json")
    pins = manifest.read_pins(home / (settings.embedder_manifest or beside))
    return ModelFolder(folder, pins, folder.name)
