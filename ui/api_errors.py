"""What the API refuses and what fails behind it, in the shape of OpenAI's errors.

A client learns what to do, not where things lie on this machine: what an error says of files and
folders is told to whoever runs the server.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from assistant.errors import ModelBusy
from ui import failures

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}
RETRY_SECONDS = 5


class Refused(Exception):
    """A request that is not served: HTTP status, a sentence, a stable `code`, and the `param` of
    the request that is to blame, if one is. `more` stands beside the error in the body."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.more = dict(more or {})

    def body(self) -> dict[str, object]:
        """The error as OpenAI writes it."""
        kind = _TYPES.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error, **self.more}

    def response(self) -> JSONResponse:
        """The same as a whole response."""
        headers = {}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status in (429, 503):
            headers["retry-after"] = str(RETRY_SECONDS)
        return JSONResponse(self.body(), self.status, headers)


def bad(message: str, param: str | None = None, code: str = "invalid_value") -> Refused:
    """A request that must be put right first."""
    return Refused(400, message, code, param)


def no_key() -> Refused:
    """The one answer for every key that opens nothing, whatever the reason."""
    return Refused(
        401,
        "This request needs an API key that holds: send it as `Authorization: Bearer clst_...`, "
        "and ask whoever looks after Cloister for one.",
        "invalid_api_key",
    )


def no_route() -> Refused:
    """The one answer for every path that there is not."""
    return Refused(
        404, "There is no such address here; docs/api.md lists those there are.", "not_found"
    )


def no_model(name: str) -> Refused:
    """A model that is not the one that answers here."""
    said = f"There is no model {name[:80]!r} here; use 'cloister'."
    return Refused(404, said, "model_not_found", "model")


def busy(ahead: int, own: bool) -> Refused:
    """Too many requests are under way; `own`: of this very key."""
    yours = "; this key has as many requests under way as a key may have" if own else ""
    return Refused(429, f"busy, {ahead} ahead of you{yours}: ask again in a moment.", "busy")


def stopping() -> Refused:
    """The server ends before the answer did."""
    return Refused(503, "The server is being stopped: ask again in a moment.", "stopping")


def failed_by(error: BaseException) -> Refused:
    """What a client is told of an error from behind the API. Pure; raises nothing."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, ModelBusy):
        return Refused(429, f"busy: {error}", "busy")
    code = getattr(error, "exit_code", None)
    if code == failures.USAGE:
        return bad(failures.one_line(str(error)))
    known = {
        failures.AUDIT_LOG: (
            "The audit log cannot take a record, so nothing may be answered",
            "audit_log_unavailable",
        ),
        failures.INDEX_UNAVAILABLE: ("The index cannot be used", "index_unavailable"),
        failures.CONFIGURATION: (
            "Something that the answer needs is missing or was changed",
            "not_available",
        ),
    }.get(code if isinstance(code, int) else -1)
    if known is not None:
        said, name = known
        whom = "tell whoever looks after Cloister; the server says why"
        return Refused(503, f"{said}: {whom}.", name)
    return Refused(
        500,
        "Something unexpected happened: tell whoever looks after Cloister; the server says what.",
        "internal_error",
    )
