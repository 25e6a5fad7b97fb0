"""The certificates and keys of one Kubernetes cluster, from an authority of its own."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

VALID_FOR: Final = datetime.timedelta(days=3650)
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Subject:
    """One certificate to be issued. Kubernetes reads the user from the common name, groups from organizations."""

    file: str
    common_name: str
    organization: str = ""
    usage: x509.ObjectIdentifier = CLIENT
    hosts: tuple[str, ...] = ()
    """DNS names and addresses that a server's certificate is for."""


def subjects(node: str, node_address: str, service_address: str) -> list[Subject]:
    """Return what each component of the cluster needs (kubernetes.io: "PKI certificates and requirements").

    Args:
        node: Name of the node.
        node_address: Its address.
        service_address: First address of the service range, that of the service `kubernetes`.
    """
    in_cluster = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return [
        Subject("admin", "recall-administrator", "system:masters"),
        Subject(
            "apiserver",
            "kube-apiserver",
            usage=SERVER,
            hosts=("localhost", *in_cluster, "127.0.0.1", node_address, service_address),
        ),
        Subject("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Subject("front-proxy-client", "front-proxy-client"),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("kube-proxy", "system:kube-proxy"),
        Subject("coredns", "system:coredns"),
        Subject("kubelet", f"system:node:{node}", "system:nodes"),
        Subject("kubelet-server", f"system:node:{node}", usage=SERVER, hosts=(node, "127.0.0.1", node_address)),
    ]


def ensure(folder: Path, wanted: list[Subject]) -> None:
    """Make the authority `ca`, the service account key `service-account` and `wanted` in `folder`, all or nothing.

    Each comes as `<file>.crt` (for the service account: `.pub`) and `<file>.key`.
    """
    if folder.exists():
        return
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recall-cluster")])
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(unfinished / "ca.crt", authority.public_bytes(serialization.Encoding.PEM))
    _write(unfinished / "ca.key", _private(authority_key))
    for subject in wanted:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issue(subject, key.public_key(), authority_name, authority_key)
        _write(unfinished / f"{subject.file}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        _write(unfinished / f"{subject.file}.key", _private(key))
    service_accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(unfinished / "service-account.key", _private(service_accounts))
    _write(
        unfinished / "service-account.pub",
        service_accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    )
    unfinished.replace(folder)


def issue(
    subject: Subject,
    key: ec.EllipticCurvePublicKey,
    authority: x509.Name,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return the certificate of `subject` for `key`, signed by the authority."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)]
    if subject.organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization))
    builder = (
        _builder(x509.Name(attributes), authority, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([subject.usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if subject.hosts:
        names = x509.SubjectAlternativeName([_general_name(host) for host in subject.hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
