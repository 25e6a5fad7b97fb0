"""The TLS certificate of the admission webhook: self-signed, made once, trusted by the webhook's own manifest."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import secrets
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = "pod-identity-webhook.pem"
_VALID_FOR: Final = datetime.timedelta(days=3650)


def ensure(state_folder: Path, host: str) -> Path:
    """Return the file with key and certificate for the address `host`; two processes that both make it end with one."""
    file = state_folder / _NAME
    if not file.exists():
        state_folder.mkdir(parents=True, exist_ok=True)
        made = state_folder / f".{_NAME}.{secrets.token_hex(4)}"
        made.touch(mode=0o600)
        made.write_bytes(_make(host))
        with contextlib.suppress(FileExistsError):
            os.link(made, file)
        made.unlink()
    return file


def public_part(file: Path) -> bytes:
    """Return the certificate in `file` as PEM, without the key."""
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _make(host: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recall-pod-identity")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
