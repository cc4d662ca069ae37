"""Certificates of TLS: checked before the server listens, and read again while it runs."""

import ssl
from pathlib import Path
from typing import NamedTuple

from serving.errors import GenzooError, UsageError, first_line


class Certificate(NamedTuple):
    """A certificate, with those that lead from it to its authority, and its private key: PEM."""

    certificate: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Have a context show it to whoever connects from now on.

        Raises:
            GenzooError: it cannot be read, or the key is of another; the context is as before.
        """
        self.check()  # since a wrong key would leave the context half changed
        self._read(context)

    def check(self) -> None:
        """Raise a `GenzooError` where it cannot be used."""
        self._read(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def _read(self, context: ssl.SSLContext) -> None:
        try:
            # A password is never asked for at a terminal that nobody may see.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except ssl.SSLError as error:
            raise GenzooError(
                f"{self.certificate} and {self.key} are no certificate and its key, both PEM and "
                f"without a password: {first_line(error)}"
            ) from None
        except OSError as error:
            paths = ", ".join(str(each) for each in self if not each.is_file())
            raise GenzooError(f"{paths or self.key}: {error.strerror}") from None


def certificate_of(certificate: Path | None, key: Path | None) -> Certificate | None:
    """Return what was given of both, checked; None where neither was.

    Raises:
        UsageError: one was given alone.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError("--tls-certificate and --tls-key go together; give both, or neither")
    found = Certificate(certificate, key)
    found.check()
    return found
