"""An error as the HTTP status and body that Databricks' clients turn into their own exception classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbutils_local.errors import (
    AlreadyExists,
    DbutilsLocalError,
    InvalidState,
    MalformedRequest,
    MissingExtra,
    NotFound,
    NotSupportedHere,
    UserError,
)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Status and body of a refused request."""

    status: int
    error_code: str
    message: str

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body; a top-level `detail` or `error` would be read as another API's error."""
        return {"error_code": self.error_code, "message": self.message}


def error_reply(error: BaseException, *, strict: bool = False) -> ErrorReply:
    """What an error is over HTTP; `strict` answers a missing job or run with 400 as older back ends do.

    429 and 503 never occur: clients would silently try again for minutes. An error that is not ours tells nothing.
    """
    match error:
        case NotFound() if strict:
            return ErrorReply(400, "INVALID_PARAMETER_VALUE", str(error))
        case NotFound():
            return ErrorReply(404, error.error_code, str(error))
        case AlreadyExists():
            return ErrorReply(409, error.error_code, str(error))
        case NotSupportedHere():
            return ErrorReply(501, error.error_code, str(error))
        case MissingExtra():
            return ErrorReply(404, error.error_code, str(error))
        case MalformedRequest() | InvalidState() | UserError():
            return ErrorReply(400, error.error_code, str(error))
        case DbutilsLocalError():
            return ErrorReply(500, error.error_code, str(error))
    return ErrorReply(500, "INTERNAL_ERROR", "The server failed on this request; its log says why.")


def http_reply(status: int, reason: str) -> ErrorReply:
    """A refusal of the HTTP layer itself: no such path, wrong method, no credentials, body too large."""
    codes = {
        400: "MALFORMED_REQUEST",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "ENDPOINT_NOT_FOUND",
        405: "INVALID_PARAMETER_VALUE",
        413: "INVALID_PARAMETER_VALUE",
        501: "NOT_IMPLEMENTED",
    }
    return ErrorReply(status, codes.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"), reason)
