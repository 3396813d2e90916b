"""Fetching a model from a real HTTPS server on this machine, and from one that misbehaves."""

from __future__ import annotations

import datetime
import errno
import gzip
import hashlib
import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assistant.errors import FetchFailed, ModelUnreadable, ShelfError
from assistant.fetch import Download, Way
from assistant.fetch_address import MARK, address_of, refuse_air_gapped
from assistant.fetch_part import Part
from assistant.shelf import MANIFEST, Shelf
from assistant.shelf_files import LOCK, RESERVE
from assistant.shelf_listing import look
from assistant.shelving import About, Added
from tests.assistant.standins import gguf_bytes, gguf_string

MODEL = gguf_bytes("Fetched", pairs=[("x.filler", 8, gguf_string("x" * 300_000))])
SHA256 = hashlib.sha256(MODEL).hexdigest()


# --- a server -----------------------------------------------------------------------------------


def certificate(folder: Path, name: str, address: str, signer: Any = None) -> tuple[Path, Any]:
    """A key with a certificate for an address, signed by `signer` or by itself as an authority;
    the PEM file of both, and (certificate, key) to sign further ones with."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, by = (subject, key) if signer is None else (signer[0].subject, signer[1])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(signer is None, None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False
        )
        .sign(by, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path, (made, key)


@dataclass
class Site:
    """What the server holds and how it behaves; `asked` are the requests it got, (path, headers).

    `cuts` are bytes of the body after which it hangs up, one a request. `etag` "" sends none.
    """

    body: bytes = MODEL
    etag: str = '"one"'
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    length: int | None = None
    ranges: bool = True
    shift: int = 0
    chunked: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    ca: Path = Path()


class Handler(BaseHTTPRequestHandler):
    """Serves what `server.site` says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        return

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        named = {name.lower(): value for name, value in self.headers.items()}
        site.asked.append((self.path, named))
        self.close_connection = True
        if self.path in site.moved:
            self.send_response(302)
            self.send_header("Location", site.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start(site, named)
        self.send_response(206 if start else site.status)
        if start:
            last = len(site.body) - 1
            self.send_header("Content-Range", f"bytes {start + site.shift}-{last}/{last + 1}")
        if site.etag:
            self.send_header("ETag", site.etag)
        for name, value in site.headers.items():
            self.send_header(name, value)
        body = site.body[start:]
        if site.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(site.length or len(body)))
        self.end_headers()
        cut = site.cuts.pop(0) if site.cuts else len(body)
        self.wfile.write(body[:cut])

    def _start(self, site: Site, named: dict[str, str]) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", named.get("range", ""))
        same = named.get("if-range", site.etag) == site.etag
        return int(match[1]) if match and site.ranges and same else 0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """PEM files: an authority, a server it vouches for, and one it vouches for by another name."""
    folder = tmp_path_factory.mktemp("certificates")
    ca, signer = certificate(folder, "authority", "127.0.0.1")
    good, _ = certificate(folder, "good", "127.0.0.1", signer)
    other, _ = certificate(folder, "other", "127.0.0.2", signer)
    return ca, good, other


def serving(site: Site, pem: Path | None) -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site = site  # type: ignore[attr-defined]
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    scheme = "http" if pem is None else "https"
    site.url = f"{scheme}://127.0.0.1:{server.server_port}/models/Tiny-Q4.gguf"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(authority: tuple[Path, Path, Path]) -> Iterator[Site]:
    """A server whose certificate the authority vouches for."""
    yield from serving(Site(ca=authority[0]), authority[1])


Told = list[tuple[str, dict[str, Any]]]


def fetched(
    home: Path,
    site: Site,
    about: About | None = None,
    told: Told | None = None,
    *,
    url: str = "",
    way: Way | None = None,
    air_gapped: bool = False,
    free: Callable[[Path], int] = lambda _: 1 << 40,
) -> Added:
    """Fetch from the site as the command does."""
    events: Told = [] if told is None else told

    def record(kind: str, fields: Mapping[str, str | int | bool | None]) -> None:
        events.append((kind, dict(fields) | {"asked": len(site.asked)}))

    with Download(
        home,
        address_of(url or site.url),
        about or About(),
        record,
        air_gapped=air_gapped,
        way=way or Way(ca=site.ca),
        free=free,
        sleep=lambda _: None,
    ) as download:
        download.begin()
        return download.finish()


def left(home: Path) -> set[str]:
    """Names in the shelf's folder, but for the lock."""
    folder = home / "models"
    return {path.name for path in folder.iterdir()} - {LOCK} if folder.exists() else set()


def ranges(site: Site) -> list[str]:
    return [headers.get("range", "") for _, headers in site.asked]


# --- what should work ---------------------------------------------------------------------------


def test_a_model_is_fetched_pinned_and_recorded_before_anything_is_reached(
    home: Path, site: Site
) -> None:
    told: Told = []
    added = fetched(home, site, About(by="ada"), told, url=f"{site.url}?token=secret#part")
    entry = added.entry
    assert added.new
    assert (entry.name, entry.sha256, entry.bytes) == ("tiny-q4", SHA256, len(MODEL))
    assert (entry.source, entry.title, entry.added_by) == (site.url, "Fetched", "ada")
    assert (home / "models" / entry.file).read_bytes() == MODEL
    assert left(home) == {MANIFEST, entry.file}
    (asked, before), (kind, after) = told
    assert (asked, before["asked"]) == ("model.fetch_asked", 0)
    assert before["host"] == site.url.split("/")[2]
    assert (before["path"], before["redirects"], before["proxy"]) == (
        "/models/Tiny-Q4.gguf",
        0,
        "",
    )
    assert kind == "model.fetched"
    assert (after["name"], after["sha256"], after["bytes"]) == ("tiny-q4", SHA256, len(MODEL))
    assert "secret" not in str(told) + (home / "models" / MANIFEST).read_text()
    ((path, headers),) = site.asked
    assert path == "/models/Tiny-Q4.gguf?token=secret"
    assert (headers["accept-encoding"], headers["user-agent"]) == ("identity", "cloister")
    assert not {"cookie", "authorization", "referer"} & set(headers)


def test_a_length_that_is_not_announced_is_no_hindrance(home: Path, site: Site) -> None:
    site.chunked = True
    assert fetched(home, site).entry.sha256 == SHA256


def test_the_publishers_digest_is_compared(home: Path, site: Site) -> None:
    assert fetched(home, site, About(sha256=SHA256)).new
    told: Told = []
    site.body = MODEL[:-1] + b"\0"
    with pytest.raises(FetchFailed, match=SHA256) as caught:
        fetched(home, site, About(name="b", sha256=SHA256), told)
    assert hashlib.sha256(site.body).hexdigest() in str(caught.value)
    assert [kind for kind, _ in told] == ["model.fetch_asked"]
    assert left(home) == {MANIFEST, "tiny-q4.gguf"}


def test_the_same_file_once_more_changes_nothing(home: Path, site: Site) -> None:
    fetched(home, site)
    before = left(home)
    again = fetched(home, site, About(name="again"))
    assert (again.new, again.entry.name) == (False, "tiny-q4")
    assert left(home) == before


def test_plain_http_is_spoken_to_a_loopback_address(home: Path) -> None:
    for site in serving(Site(), None):
        assert fetched(home, site, way=Way()).entry.source == site.url


def test_nothing_of_the_environment_is_heeded(
    home: Path, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as closed:  # a proxy that would refuse
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, nowhere)
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(netrc))
        fetched(home, site)
        assert "authorization" not in site.asked[0][1]
        told: Told = []
        with pytest.raises(FetchFailed, match="could not be reached"):
            fetched(home, site, About(name="b"), told, way=Way(proxy=nowhere, ca=site.ca))
        assert told[0][1]["proxy"] == "127.0.0.1"
        assert len(site.asked) == 1


# --- interruptions ------------------------------------------------------------------------------


def test_a_connection_that_breaks_goes_on_where_it_stopped(home: Path, site: Site) -> None:
    site.cuts = [70_000, 100_000]
    assert fetched(home, site).entry.sha256 == SHA256
    assert ranges(site) == ["", "bytes=70000-", "bytes=170000-"]
    assert site.asked[1][1]["if-range"] == '"one"'


def test_what_came_is_kept_for_the_next_run(home: Path, site: Site) -> None:
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(FetchFailed, match=r"with 0 of 0 MB here: run the same command again"):
        fetched(home, site)
    ((name, size),) = look(Shelf(home), check=False).unfinished
    assert (size, Shelf(home).entries()) == (100_000, ())
    assert {path.name for path in (home / "models").glob(".fetch-*.part")} == {name}
    told: Told = []
    fetched(home, site, told=told)
    assert (ranges(site)[-1], told[0][1]["bytes_here"]) == ("bytes=100000-", 100_000)
    assert left(home) == {MANIFEST, "tiny-q4.gguf"}


def test_another_file_at_the_address_is_fetched_from_its_beginning(home: Path, site: Site) -> None:
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(FetchFailed):
        fetched(home, site)
    site.body, site.etag = gguf_bytes("Newer"), '"two"'
    entry = fetched(home, site).entry
    assert (entry.title, ranges(site)[-1]) == ("Newer", "bytes=100000-")


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_proof_that_it_is_the_same_file_it_starts_over(
    home: Path, site: Site, etag: str
) -> None:
    site.etag, site.cuts = etag, [100_000]
    assert fetched(home, site).entry.sha256 == SHA256
    assert ranges(site) == ["", ""]


def test_the_digest_is_proof_enough_to_go_on(home: Path, site: Site) -> None:
    site.etag, site.cuts = "", [100_000]
    fetched(home, site, About(sha256=SHA256))
    assert ranges(site) == ["", "bytes=100000-"]


@pytest.mark.parametrize("change", [{"ranges": False}, {"shift": 1}])
def test_a_server_that_goes_on_elsewhere_is_asked_for_all(
    home: Path, site: Site, change: dict[str, Any]
) -> None:
    site.cuts = [100_000]
    for name, value in change.items():
        setattr(site, name, value)
    assert fetched(home, site).entry.sha256 == SHA256


def test_a_server_that_always_breaks_off_is_given_up(home: Path, site: Site) -> None:
    site.etag, site.cuts = "", [100_000] * 50
    with pytest.raises(FetchFailed, match="broke off"):
        fetched(home, site)
    assert len(site.asked) < 10


def test_a_whole_download_is_not_reached_for_again(home: Path, site: Site) -> None:
    fetched(home, site, About(name="taken"))
    other = gguf_bytes("Other")
    part = Part(home / "models", site.url)
    part.append(other)
    part.note('"one"', len(other))
    part.close()
    entry = fetched(home, site, About(name="other")).entry
    assert (entry.title, len(site.asked)) == ("Other", 1)


def test_two_at_once_from_one_address_are_kept_apart(home: Path, site: Site) -> None:
    part = Part(home / "models", site.url)
    with pytest.raises(FetchFailed, match="Another process"):
        fetched(home, site)
    part.close()
    assert fetched(home, site).new


# --- what must not work -------------------------------------------------------------------------


def test_an_untrusted_certificate_is_refused(home: Path, site: Site) -> None:
    with pytest.raises(FetchFailed, match=r"certificate of 127\.0\.0\.1"):
        fetched(home, site, way=Way())
    assert (site.asked, left(home)) == ([], set())


def test_a_certificate_of_another_host_is_refused(
    home: Path, authority: tuple[Path, Path, Path]
) -> None:
    for site in serving(Site(ca=authority[0]), authority[2]):
        with pytest.raises(FetchFailed, match="certificate"):
            fetched(home, site)
        assert site.asked == []


def test_an_authority_that_is_no_pem_file_is_refused(
    home: Path, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no")
    for ca in (tmp_path / "ca.pem", tmp_path / "gone.pem"):
        with pytest.raises(FetchFailed, match="PEM file with --ca"):
            fetched(home, site, way=Way(ca=ca))


def test_redirects_are_followed_recorded_and_shown(home: Path, site: Site) -> None:
    site.moved = {"/models/Tiny-Q4.gguf": "/a", "/a": site.url.replace("models", "b")}
    told: Told = []
    shown = []
    with Download(
        home,
        address_of(site.url),
        About(),
        lambda kind, fields: told.append((kind, dict(fields))),
        air_gapped=False,
        way=Way(ca=site.ca),
        moved=lambda address: shown.append(address.path),
    ) as download:
        download.begin()
        assert download.remote.path == "/b/Tiny-Q4.gguf"
        assert (download.part.total, download.part.have) == (len(MODEL), 0)
        entry = download.finish().entry
    assert shown == ["/a", "/b/Tiny-Q4.gguf"]
    asked = [(fields["redirects"], fields["path"]) for _, fields in told[:-1]]
    assert asked == [(0, "/models/Tiny-Q4.gguf"), (1, "/a"), (2, "/b/Tiny-Q4.gguf")]
    assert entry.source == site.url


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:9/x.gguf",
        "http://example.org/x.gguf",
        "ftp://example.org/x.gguf",
        "file:///etc/passwd",
        "https://user:secret@example.org/x.gguf",
        "",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(home: Path, site: Site, target: str) -> None:
    site.moved = {"/models/Tiny-Q4.gguf": target}
    told: Told = []
    with pytest.raises(FetchFailed):
        fetched(home, site, told=told)
    assert (len(site.asked), len(told), left(home)) == (1, 1, set())


def test_redirects_come_to_an_end(home: Path, site: Site) -> None:
    site.moved = {"/models/Tiny-Q4.gguf": "/models/Tiny-Q4.gguf"}
    told: Told = []
    with pytest.raises(FetchFailed, match="more than 5 times"):
        fetched(home, site, told=told)
    assert (len(site.asked), len(told)) == (6, 6)


def test_a_home_marked_air_gapped_reaches_nothing(home: Path, site: Site) -> None:
    told: Told = []
    with pytest.raises(ShelfError, match="air_gapped = true"):
        fetched(home, site, told=told, air_gapped=True)
    (home / MARK).symlink_to("nowhere")
    with pytest.raises(ShelfError, match="AIR_GAPPED exists"):
        fetched(home, site, told=told)
    assert (site.asked, told, left(home)) == ([], [], set())


def test_a_mark_that_cannot_be_looked_at_counts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "denied")

    refuse_air_gapped(home, False)
    monkeypatch.setattr(Path, "lstat", denied)
    with pytest.raises(ShelfError, match="cannot be looked at"):
        refuse_air_gapped(home, False)


def test_what_cannot_be_recorded_is_not_reached(home: Path, site: Site) -> None:
    def unheard(kind: str, fields: Mapping[str, object]) -> None:
        raise RuntimeError("the log is full")

    address, about = address_of(site.url), About()
    with Download(home, address, about, unheard, air_gapped=False, way=Way(ca=site.ca)) as download:
        with pytest.raises(RuntimeError):
            download.begin()
        with pytest.raises(RuntimeError, match="begin"):
            Download(home, address, about, unheard, air_gapped=False).finish()
    assert (site.asked, left(home)) == ([], set())


def test_a_name_that_is_taken_is_refused_before_anything_is_reached(home: Path, site: Site) -> None:
    fetched(home, site)
    with pytest.raises(ShelfError, match="--name"):
        fetched(home, site)
    assert len(site.asked) == 1


@pytest.mark.parametrize("length", [len(MODEL) + 1, 1 << 33])
def test_a_server_that_announces_more_than_it_sends(home: Path, site: Site, length: int) -> None:
    site.length = length
    with pytest.raises(FetchFailed, match=r"broke off|could not be reached"):
        fetched(home, site)
    assert Shelf(home).entries() == ()


def test_a_server_that_announces_less_than_it_holds(home: Path, site: Site) -> None:
    site.length = 200_000
    with pytest.raises(ModelUnreadable, match="cut short"):
        fetched(home, site)
    assert left(home) == set()


def test_a_page_is_no_model(home: Path, site: Site) -> None:
    site.body = b"<!doctype html><title>Sign in</title>" * 1000
    with pytest.raises(FetchFailed, match="no GGUF file"):
        fetched(home, site)
    assert left(home) == set()


def test_an_embedder_is_no_language_model(home: Path, site: Site) -> None:
    site.body = gguf_bytes(architecture="bert")
    with pytest.raises(ModelUnreadable, match="writes no text"):
        fetched(home, site)
    assert left(home) == set()


def test_a_packed_body_is_refused(home: Path, site: Site) -> None:
    site.body, site.headers = gzip.compress(MODEL), {"Content-Encoding": "gzip"}
    with pytest.raises(FetchFailed, match="packed"):
        fetched(home, site)


@pytest.mark.parametrize(
    ("status", "why"), [(401, "sign in"), (403, "sign in"), (404, "404"), (500, "500")]
)
def test_a_refusal_says_what_to_do(home: Path, site: Site, status: int, why: str) -> None:
    site.status = status
    with pytest.raises(FetchFailed, match=why):
        fetched(home, site)
    assert left(home) == set()


def test_a_server_that_fails_for_a_while_costs_nothing_that_came(home: Path, site: Site) -> None:
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(FetchFailed):
        fetched(home, site)
    site.ranges, site.status = False, 503
    with pytest.raises(FetchFailed, match="503"):
        fetched(home, site)
    site.ranges, site.status = True, 200
    fetched(home, site)
    assert ranges(site)[-1] == "bytes=100000-"


def test_a_host_that_is_not_there(home: Path, site: Site) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(FetchFailed, match="could not be reached"):
            fetched(home, site, url=f"https://127.0.0.1:{port}/x.gguf")


def test_a_host_that_says_nothing(home: Path, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.gguf"
        way = Way(silent_seconds=0.05)
        with pytest.raises(FetchFailed, match="says nothing"):
            fetched(home, site, url=url, way=way)


def test_what_speaks_no_http(home: Path, site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x00\x01 what? \r\n\r\n")

        threading.Thread(target=babble, daemon=True).start()
        with pytest.raises(FetchFailed):
            fetched(home, site, url=f"http://127.0.0.1:{server.getsockname()[1]}/x.gguf", way=Way())


# --- the disk -----------------------------------------------------------------------------------


def test_a_file_too_large_for_the_disk_is_not_taken(home: Path, site: Site) -> None:
    with pytest.raises(ShelfError, match=r"needs 0 MB .* has 67 MB free"):
        fetched(home, site, free=lambda _: RESERVE + len(MODEL) - 1)
    assert left(home) == set()


def test_a_disk_that_fills_up_meanwhile_stops_a_file_of_unknown_length(
    home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.fetch.CHECK_BYTES", 50_000)
    room = iter([1 << 40, 1 << 40, *[RESERVE - 1] * 50])
    site.chunked = True
    with pytest.raises(FetchFailed, match="nearly full"):
        fetched(home, site, free=lambda _: next(room))
    assert look(Shelf(home), check=False).unfinished


def test_a_full_disk_keeps_what_came(
    home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, room = Part.append, 150_000

    def short(part: Part, data: bytes) -> None:
        if part.have + len(data) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(part, data)

    with monkeypatch.context() as patched:
        patched.setattr(Part, "append", short)
        with pytest.raises(ShelfError, match="is full"):
            fetched(home, site)
    assert Shelf(home).entries() == ()
    assert fetched(home, site).entry.sha256 == SHA256
    assert ranges(site)[-1].startswith("bytes=")


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown", "host"),
    [
        ("https://Example.org/a/b.gguf", "https://example.org/a/b.gguf", "example.org"),
        ("https://example.org:443/b", "https://example.org/b", "example.org"),
        ("https://example.org:8443/b?x=1#y", "https://example.org:8443/b", "example.org:8443"),
        ("https://[2001:db8::1]/b", "https://[2001:db8::1]/b", "[2001:db8::1]"),
        ("http://127.0.0.9:80/b", "http://127.0.0.9/b", "127.0.0.9"),
        ("http://[::1]:8080/b", "http://[::1]:8080/b", "[::1]:8080"),
        ("https://example.org", "https://example.org/", "example.org"),
    ],
)
def test_addresses_that_may_be_fetched_from(url: str, shown: str, host: str) -> None:
    address = address_of(url)
    assert (address.shown, address.host) == (shown, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.gguf",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://example.org/x",
        "http://localhost/x",
        "http://10.0.0.1/x",
        "http://127.0.0.1.example.org/x",
        "http://2130706433/x",
        "https:///x",
        "https://example.org:99999/x",
        "https://[::1/x",
        "https://user@example.org/x",
        "https://user:secret@example.org/x",
        "https://example.org/a b",
        "https://example.org/a\nHost: other",
        "HTTP://example.org/x",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(FetchFailed) as caught:
        address_of(url)
    assert "secret" not in str(caught.value)
