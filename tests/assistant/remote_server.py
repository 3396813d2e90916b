"""An OpenAI-compatible server that does what a test needs, good and bad, over real sockets.

It answers as llama.cpp's server, vLLM, llama-cpp-python's server or none of them does. A token is
four characters. `faults` are taken one a chat request, "" for none; each is named where it is done.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ANSWER = "Records are kept for six years, from the end of the contract."


class ScriptedServer:
    """A server on a port of its own. `requests` holds (path, body) of what was asked, `headers` the
    last request's; `hung_up` is set when a client closed its connection during an answer."""

    def __init__(
        self,
        kind: str = "llama.cpp",
        answer: str | Callable[[str], str] = ANSWER,
        *,
        faults: tuple[str, ...] = (),
        context: int = 4096,
        tls: ssl.SSLContext | None = None,
        models: tuple[str, ...] = ("big-model",),
        port: int = 0,
    ) -> None:
        """`answer` is what is said, or makes it of the user's message."""
        self.kind, self.context, self.models = kind, context, models
        self.answer = answer if callable(answer) else lambda said: str(answer)
        self.faults = deque(faults)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        self.hung_up = threading.Event()
        self.release = threading.Event()  # ends whatever hangs
        scripted = self

        class Handler(_Handler):
            server_of = scripted

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the questions asked."""
        return [body for path, body in self.requests if path == "/v1/chat/completions"]

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def tokens_of(text: str) -> list[str]:
    """The text in tokens."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out apart; waiting between costs 40 ms
    server_of: ScriptedServer

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._route({})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self._route(json.loads(self.rfile.read(length) or b"{}"))

    def _route(self, body: dict[str, Any]) -> None:
        server = self.server_of
        if server.release.is_set():  # closed: a connection that was kept alive ends too
            self.close_connection = True
            return
        server.requests.append((self.path, body))
        server.headers = {key.lower(): value for key, value in self.headers.items()}
        try:
            if self.path == "/v1/chat/completions":
                self._chat(body)
            elif self.path == "/hang":
                server.release.wait(30)
            elif self.path == "/huge":
                self._json(200, {"x": "x" * 9_000_000})
            else:
                said = self._said(body)
                self._json(404 if said is None else 200, said or {"error": "not found"})
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            server.hung_up.set()
            self.close_connection = True

    def _said(self, body: dict[str, Any]) -> dict[str, Any] | None:
        server = self.server_of
        if self.path == "/v1/models":
            owner = {"llama.cpp": "llamacpp", "vllm": "vllm", "llama-cpp-python": "me"}
            more = {"max_model_len": server.context} if server.kind == "vllm" else {}
            owned = owner.get(server.kind, "somebody")
            return {"data": [{"id": m, "owned_by": owned, **more} for m in server.models]}
        said = {
            "llama.cpp": self._llama, "vllm": self._vllm, "llama-cpp-python": self._python,
        }  # fmt: skip
        return said.get(server.kind, self._none)(body)

    def _python(self, body: dict[str, Any]) -> dict[str, Any] | None:
        counts = self.path == "/extras/tokenize/count"
        return {"count": len(tokens_of(body["input"]))} if counts else None

    def _none(self, body: dict[str, Any]) -> dict[str, Any] | None:
        return None

    def _llama(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if self.path == "/props":
            settings = {"n_ctx": self.server_of.context}
            return {"default_generation_settings": settings, "total_slots": 2, "build_info": "b1"}
        if self.path == "/apply-template":
            return {"prompt": _template(body["messages"])}
        if self.path == "/tokenize":
            return {"tokens": list(range(len(tokens_of(body["content"]))))}
        return None

    def _vllm(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if self.path == "/version":
            return {"version": "0.99.0"}
        if self.path == "/tokenize":
            text = body.get("prompt", "")
            text = _template(body["messages"]) if "messages" in body else text
            return {"count": len(tokens_of(text)), "max_model_len": self.server_of.context}
        return None

    def _json(self, status: int, said: object) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _chat(self, body: dict[str, Any]) -> None:
        server = self.server_of
        fault = server.faults.popleft() if server.faults else ""
        if fault == "drop":  # the connection is lost before any answer
            self.close_connection = True
            return
        if fault == "hang":  # nothing at all is said
            server.release.wait(30)
            self.close_connection = True
            return
        if fault.startswith("status:"):
            _, status, *rest = fault.split(":", 2)
            self._json(int(status), {"error": {"message": rest[0] if rest else "no"}})
            return
        if fault == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://198.51.100.7/v1/chat/completions")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        prompt = tokens_of(_template(body["messages"]))
        if len(prompt) >= server.context:
            error = {"type": "exceed_context_size_error", "message": "too long",
                     "n_prompt_tokens": len(prompt), "n_ctx": server.context}  # fmt: skip
            self._json(400, {"error": error})
            return
        self._stream(body, fault, len(prompt))

    def _stream(self, body: dict[str, Any], fault: str, prompt: int) -> None:
        self.send_response(200)
        kind = "text/html" if fault == "html" else "text/event-stream; charset=utf-8"
        self.send_header("Content-Type", kind)
        if fault == "packed":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in self._events(body, fault, prompt):
            self._chunk(data)
        if fault == "cut":  # the connection ends in the middle, without the last chunk
            self.close_connection = True
            return
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _events(self, body: dict[str, Any], fault: str, prompt: int) -> Iterator[bytes]:
        server = self.server_of
        if fault == "slow":  # pings until somebody gives up
            while not server.release.wait(0.02):
                yield b": ping\n\n"
            return
        if fault == "line":  # a line without end
            yield b"data: {"
            while not server.release.is_set():
                yield b"x" * 65_536
        if fault == "flood":  # events without end that say nothing
            while not server.release.is_set():
                yield b"data: " + json.dumps({"choices": [], "x": "x" * 60_000}).encode() + b"\n\n"
        if fault == "garbage":
            yield b"data: \xff\xfe not json\n\n"
            return
        if fault == "error":  # as both servers tell that they broke during an answer
            yield b'data: {"error": {"message": "CUDA out of memory <script>", "code": 500}}\n\n'
            return
        yield _event({"delta": {"role": "assistant"}})
        if fault == "unfinished-at-once":  # as llama-cpp-python's does if another question comes
            yield b"data: [DONE]\n\n"
            return
        yield from self._answer(body, fault, prompt)

    def _answer(self, body: dict[str, Any], fault: str, prompt: int) -> Iterator[bytes]:
        server = self.server_of
        thoughts = "Let me think." if fault == "reasoning" else ""
        if thoughts:
            yield _event({"delta": {"reasoning_content": thoughts}})
        text = server.answer(body["messages"][-1]["content"])
        written, finish = 0, "stop"
        for token in tokens_of(text):
            if written == body["max_tokens"] and fault != "endless":
                finish = "length"
                break
            written += 1
            logprobs = {"content": [{"logprob": -0.5}]} if body.get("logprobs") else None
            yield _event({"delta": {"content": token}, "logprobs": logprobs})
            if fault == "cut" and written == 3:
                return
            if fault == "pause" and written == 3:  # the first pieces, and then nothing
                while not server.release.wait(0.02):
                    yield b": ping\n\n"
                return
        while fault == "endless" and not server.release.is_set():
            time.sleep(0.001)
            yield _event({"delta": {"content": "more"}})
        if fault == "unfinished":
            yield b"data: [DONE]\n\n"
            return
        yield _event({"delta": {}, "finish_reason": finish})
        usage = {"prompt_tokens": prompt, "completion_tokens": written}
        if server.kind in ("llama.cpp", "vllm"):
            yield b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\r\n\r\n"
        yield b"data: [DONE]\n\n"


def _event(choice: dict[str, Any]) -> bytes:
    said = {"choices": [{"index": 0, **choice}]}
    return b"data: " + json.dumps(said, ensure_ascii=False).encode() + b"\n\n"


def _template(messages: list[dict[str, str]]) -> str:
    return "".join(f"<{m['role']}>{m['content']}</{m['role']}>" for m in messages)


def certificates(folder: Path, names: tuple[str, ...] = ("127.0.0.1",)) -> tuple[Path, Path, Path]:
    """An authority of our own and a certificate for `names` that it signed: the authority's PEM
    file, the certificate's and its key's."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    def signed(subject: str, key: Any, by: Any, issuer: str, *extensions: Any) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )  # fmt: skip
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by, hashes.SHA256())

    authority, own = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    root = signed(
        "Premises CA", authority, authority, "Premises CA",
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectKeyIdentifier.from_public_key(authority.public_key()),
        x509.KeyUsage(True, False, False, False, False, True, True, False, False),
    )  # fmt: skip
    leaf = signed(
        names[0], own, authority, "Premises CA",
        x509.SubjectAlternativeName([general(name) for name in names]),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(root.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def server_context(certificate: Path, key: Path, clients: Path | None = None) -> ssl.SSLContext:
    """What a server shows; with `clients`, only clients that this authority signed may ask."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context
