"""Say why a connection failed, and what to do, where the words of the system do not."""

from __future__ import annotations

from collections.abc import Iterator


def known_reason(error: BaseException, socket_path: str | None) -> str:
    """Return why a connection failed, and what to do; empty if the system's words are enough.

    Args:
        error: what httpx raised.
        socket_path: the Unix socket, or None.
    """
    import ssl  # Here, because most commands never need it.

    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"the certificate is not accepted: {each.verify_message}; if another authority has signed it, name "
                "its certificate in SSL_CERT_FILE"
            )
        if isinstance(each, ssl.SSLError):
            return f"the server does not use TLS as expected ({each.reason or each}); if it has none, use http://"
        if isinstance(each, PermissionError) and socket_path:
            return "Permission denied; only the user of the server and root can connect: run the command as one of them"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
