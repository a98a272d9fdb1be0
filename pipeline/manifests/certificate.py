"""The certificate and the private key that manifests are signed with."""

import datetime
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.runs.files import naming, write_bytes

CERTIFICATE, PRIVATE_KEY, ROOT = "certificate.pem", "private_key.pem", "root.pem"

YEARS = 10

LONGEST_NAME = 64
"""Characters of an organisation, bytes of a common name: the bounds of X.509 (RFC 5280, appendix A)
and of the library `cryptography`.
"""


@dataclass(frozen=True)
class Credential:
    """What signs.

    Attributes:
        certificate: chain in PEM, the signer's first.
        private_key: in PEM; never shown by `repr`.
        algorithm: C2PA's name: es256, es384, es512, ps256, ps384, ps512, ed25519.
    """

    certificate: bytes
    private_key: bytes = field(repr=False)
    algorithm: str = "es256"


def default_folder() -> Path:
    """Where `trilift provenance init` writes: `~/.config/trilift/provenance`."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "trilift" / "provenance"


def read_credential(
    certificate: Path | str | None, private_key: Path | str | None, algorithm: str = "es256"
) -> Credential:
    """The user's certificate and key; both None: the self-made ones of `default_folder`.

    Raises:
        FileNotFoundError: one is missing.
        ValueError: only one of the two is given.
    """
    if (certificate is None) != (private_key is None):
        raise ValueError("give signing.certificate and signing.private_key together, or neither")
    first = Path(certificate or default_folder() / CERTIFICATE)
    second = Path(private_key or default_folder() / PRIVATE_KEY)
    for path in (first, second):
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no {path}: make a self-made certificate with `trilift provenance init`,"
                " or give signing.certificate and signing.private_key"
            )
    return Credential(first.read_bytes(), second.read_bytes(), algorithm)


def make_credential(folder: Path, name: str) -> Path:
    """Writes a self-made certificate: certificate.pem (chain), root.pem, private_key.pem (0600).

    C2PA accepts a certificate for the protection of e-mails that names its authority's key; a
    self-signed one is refused, hence a root of its own, whose key is thrown away.

    Args:
        folder: made if needed, readable for its owner only.
        name: of the organisation, in every manifest; 1 to 64 characters.

    Returns:
        the chain's path.

    Raises:
        FileExistsError: the folder holds a key already.
        ValueError: the name is empty or too long.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise ValueError(
            f"name={name!r} has {len(name)} characters: give name= 1 to {LONGEST_NAME} of them"
        )
    chain, root, key = _self_made(name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / PRIVATE_KEY
    try:
        # the mode counts from the first byte on: no instant when others can read
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise FileExistsError(
            f"{path} exists: it stays; give another folder=, or move it away"
        ) from error
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.write(key)
        write_bytes(folder / CERTIFICATE, chain)
        write_bytes(folder / ROOT, root)
    except OSError:  # a key without its certificate would forbid the next attempt
        path.unlink()
        raise
    return folder / CERTIFICATE


def _self_made(name: str) -> tuple[bytes, bytes, bytes]:
    """The chain, the root and the signer's key, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def named(role: str) -> Any:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
                x509.NameAttribute(NameOID.COMMON_NAME, _common_name(name, role)),
            ]
        )

    def issued(owner: Any, role: str, *, is_root: bool) -> Any:
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(role))
            .issuer_name(named("root"))
            .public_key(owner.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(is_root, None), True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, **usage
                ),
                True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(owner.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False
            )
        )
        if not is_root:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
            )
        return builder.sign(root_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    root = issued(root_key, "root", is_root=True).public_bytes(pem)
    signer = issued(key, "signer", is_root=False).public_bytes(pem)
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signer + root, root, private


def _common_name(name: str, role: str) -> str:
    """The name, shortened where it would be too long, what it stands for, and the warning."""
    end = f", {role} (self-made, unverified)"
    room = LONGEST_NAME - len(end)
    if len(name.encode()) > room:
        name = name.encode()[: room - len("…".encode())].decode(errors="ignore").rstrip() + "…"
    return name + end
