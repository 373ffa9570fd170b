"""Certificates of a test's own, made by the `openssl` command: a CA, and what it vouches for."""

import subprocess
from pathlib import Path

from msgspec import Struct

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certified(Struct, frozen=True):
    """A server's certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A CA that nobody knows but who is given its `certificate`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        _openssl(
            *("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN=Test {name}"),
            *("-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", self._key, "-out", self.certificate),
        )

    def vouch_for(self, names: str, *, days: int = 2) -> Certified:
        """A certificate for these names (`IP:…` or `DNS:…`); one of -1 days ended yesterday."""
        stem = f"{names}{days}".replace(":", "-").replace(",", "-")
        made = Certified(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        request, extensions = self._folder / f"{stem}.csr", self._folder / f"{stem}.ext"
        extensions.write_text(
            f"subjectAltName={names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        _openssl("req", *_NEW_KEY, "-subj", "/CN=nats", "-keyout", made.key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key),
            *("-set_serial", "2", "-days", str(days), "-extfile", extensions),
            *("-out", made.certificate),
        )
        return made


def _openssl(*arguments: object) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
