"""TLS for loopback: an authority of this home, and a certificate for the names of this machine.

The authority is made once and kept, so that a client needs to be told of it once. The certificate is
made anew when it is about to expire, or does not fit the authority or the names.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import QuietmakerError

NAMES: Final = ("localhost", "127.0.0.1", "::1")
AUTHORITY_LIFE: Final = timedelta(days=3650)
CERTIFICATE_LIFE: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=30)
_BACKDATED: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the authority and the certificate are kept."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Return the file that clients are told to trust."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """Return the authority's private key."""
        return self.folder / "ca-key.pem"

    @property
    def certificate(self) -> Path:
        """Return the server's certificate and its key, in one file."""
        return self.folder / "server.pem"


def prepare(files: TlsFiles, now: Instant) -> bool:
    """Make sure that a certificate is there that is good for a while. Return whether one was made.

    Raises:
        QuietmakerError: if the files cannot be read or written; names them.
    """
    moment = datetime.fromtimestamp(now // SECOND, UTC)
    try:
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not files.authority.exists() or not files.authority_key.exists():
            _make_authority(files, moment)
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key = serialization.load_pem_private_key(files.authority_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an EC key")
        if _is_good(files.certificate, authority, moment):
            return False
        _make_certificate(files, authority, key, moment)
    except OSError as error:
        raise QuietmakerError(
            f"{error.filename or files.folder} cannot be used ({error.strerror}); set QUIETMAKER_HOME"
        ) from error
    except ValueError as error:
        raise QuietmakerError(
            f"{files.folder} holds a broken authority ({error}); remove ca.pem and ca-key.pem there, "
            f"and tell clients of the new one"
        ) from error
    return True


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context that the server listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_good(path: Path, authority: x509.Certificate, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        certificate.verify_directly_issued_by(authority)
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    covered = {str(name.value) for name in names}
    lasts = certificate.not_valid_after_utc - now > RENEW_BEFORE
    return lasts and certificate.not_valid_before_utc <= now and covered >= set(NAMES)


def _make_authority(files: TlsFiles, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Quietmaker paper exchange"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Quietmaker paper exchange CA"),
        ]
    )
    certificate = (
        _builder(key.public_key(), name, name, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(files.authority_key, _pem(key), 0o600)
    _write(files.authority, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_certificate(
    files: TlsFiles, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    life = min(CERTIFICATE_LIFE, authority.not_valid_after_utc - now)
    certificate = (
        _builder(own.public_key(), name, authority.subject, now, life)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in NAMES]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    _write(files.certificate, chain + _pem(own), 0o600)


def _builder(
    public: ec.EllipticCurvePublicKey,
    subject: x509.Name,
    issuer: x509.Name,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that readers see the old or the new one, never half of one."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    waiting.replace(path)
