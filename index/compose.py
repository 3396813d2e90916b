"""Wires an index by hand, from settings to one object."""

from __future__ import annotations

from pathlib import Path

from index import manifest, prepare, reading
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.chroma import drop_unused, open_chroma
from index.document import Shelf
from index.embed import SentenceTransformerEmbedder, runs_on_gpu
from index.embed_choice import QUANTIZED, backend_for
from index.embed_folder import ModelFolder, default_folder
from index.embed_onnx import OnnxEmbedder
from index.errors import ConfigurationError, MissingModel
from index.files import FileLock, private_folder
from index.lexical import TantivyStore
from index.nearest import Opener
from index.pgvector import PgVectors, home_mark
from index.ports import Embedder, Reranker
from index.postgres import read_url
from index.proposals import Shelves
from index.rerank import CrossEncoderReranker
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
    catalogue = _catalogue(home, settings)
    if settings.vector_view != "chroma":
        drop_unused(views / "chroma", lock)
    current = Views(
        catalogue,
        embedder.dimensions,
        TantivyStore(views / "lexical"),
        vector_opener(views, settings, embedder.dimensions),
        stored=(views / "chroma").exists if settings.vector_view == "chroma" else lambda: True,
        store=settings.vector_view,
        notes=views / "catching-up",
    )
    past = Views(
        catalogue,
        embedder.dimensions,
        TantivyStore(views / "lexical-past"),
        None,
        shelf=Shelf.PAST,
        notes=views / "catching-up",
    )
    return Index(
        catalogue,
        Blobs(home / "blobs", home / "tmp"),
        Shelves(current, past),
        embedder,
        Tuning(settings.candidates, settings.signals, reranked=settings.reranker_candidates),
        (catalogue.path, catalogue.log_path, home / "blobs", views),
        reranker=open_reranker(home, settings),
    )


def vector_opener(views: Path, settings: IndexSettings, dimensions: int) -> Opener | None:
    """What opens the configured store for large collections; None: they are searched exactly.

    Raises:
        ConfigurationError: a server is asked for and its settings cannot be used.
    """
    if settings.vector_view == "exact":
        return None
    if settings.vector_view == "chroma":
        lock = FileLock(views / "chroma.lock")
        return lambda: open_chroma(views / "chroma", lock)
    if settings.vector_url is None:
        raise ConfigurationError(
            "vector_view is pgvector and vector_url is empty; set it in the [index] table of "
            "cloister.toml, for instance to postgresql://cloister@/cloister?host=/run/postgresql."
        )
    password = settings.vector_password
    server = read_url(
        settings.vector_url.get_secret_value(),
        None if password is None else password.get_secret_value(),
    )
    mark = home_mark(views / "pgvector.home")
    return PgVectors(server, settings.vector_schema, dimensions, mark).ready


def open_reranker(home: Path, settings: IndexSettings) -> Reranker | None:
    """The configured reranker, None if there is none; its weights are loaded when first used.

    Raises:
        ConfigurationError, AlteredModel: it is configured and cannot be used.
    """
    if settings.reranker_folder is None:
        return None
    folder = home / settings.reranker_folder
    beside = folder.with_name(f"{folder.name}.manifest.json")
    pins = manifest.read_pins(home / (settings.reranker_manifest or beside), "reranker")
    return CrossEncoderReranker(folder, pins, device=settings.reranker_device)


def open_embedder(home: Path, settings: IndexSettings) -> Embedder:
    """The configured embedder; its weights are checked and loaded when first used.

    Set-up has chosen what computes the vectors, unless the settings say it or the folder has
    vectors already: then it is what gives vectors of their kind.

    Raises:
        MissingModel: nothing was prepared for the backend that is demanded, or by which the
            folder's vectors were made.
        ConfigurationError: a backend for processors is demanded on another device.
    """
    files = embedder_files(home, settings)
    device, threads = settings.embedder_device, settings.embedder_threads
    backend = backend_for(
        settings.embedder_backend,
        gpu=runs_on_gpu(device),
        pinned=pinned_embedder(home, settings),
        plain=files.fingerprint,
        choice=prepare.choice(files.fingerprint),
    )
    if backend != "torch":
        if settings.embedder_backend == backend and device not in ("auto", "cpu"):
            raise ConfigurationError(
                f"The embedder_backend {backend!r} runs on processors only: set embedder_device to "
                "'auto' or 'cpu', or embedder_backend to 'torch'."
            )
        found = prepare.prepared(files.fingerprint, backend)
        if found is None:
            raise MissingModel(f"{backend} is not prepared here; run `python -m index.prepare`")
        variant = QUANTIZED if backend == "int8" else ""
        return OnnxEmbedder(files, found.graph, found.digest, threads=threads, variant=variant)
    return SentenceTransformerEmbedder(
        files.path,
        files.pins,
        device=device,
        threads=threads,
        batch=settings.embedder_batch,
        name=files.name,
    )


def pinned_embedder(home: Path, settings: IndexSettings) -> str:
    """The fingerprint of the embedder that made the data folder's vectors, empty without any.

    Raises:
        HomeUnavailable, CatalogueBusy, CatalogueCorrupt, CatalogueTooNew: the catalogue is there
            and cannot be read.
    """
    if settings.catalogue_url is None and not (home / "catalogue.db").exists():
        return ""
    catalogue = _catalogue(home, settings)
    try:
        with catalogue.read() as connection:
            return reading.meta_value(connection, "embedder").rpartition("/")[0]
    finally:
        catalogue.close()


def _catalogue(home: Path, settings: IndexSettings) -> Catalogue:
    url = settings.catalogue_url or f"sqlite:///{home / 'catalogue.db'}"
    return Catalogue(url, settings.busy_timeout_ms)


def embedder_files(home: Path, settings: IndexSettings) -> ModelFolder:
    """The folder and pins of the configured embedder."""
    if settings.embedder_folder is None:
        return ModelFolder(default_folder(), manifest.DEFAULT_PINS)
    folder = home / settings.embedder_folder  # an absolute path stays what it is
    beside = folder.with_name(f"{folder.name}.manifest.json")
    pins = manifest.read_pins(home / (settings.embedder_manifest or beside))
    return ModelFolder(folder, pins, folder.name)
