"""The one place that signs what trilift wrote: called last, when nothing writes a file again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .certificate import Credential
from .signing import Origin, sign


@dataclass(frozen=True)
class Signatory:
    """Signs results of one method.

    Attributes:
        credential: certificate and key.
        origin: the networks; each signing adds what its files were made from.
    """

    credential: Credential
    origin: Origin

    def sign(
        self,
        files: Iterable[Path],
        *,
        photograph_sha256: str | None = None,
        planes_sha256: str | None = None,
        hooks: Sequence[str] = (),
    ) -> list[Path]:
        """Signs finished files, each in itself or by a sidecar.

        Args:
            files: pictures, films, meshes, ….
            photograph_sha256: of the photograph's file; None: unknown, or made from none.
            planes_sha256: of the triplane's file that was read instead; None: none was.
            hooks: names of those that edited the photograph.

        Returns:
            the files with the manifests.

        Raises:
            ValueError: c2pa refuses the certificate or a file (`signing.sign`).
        """
        origin = replace(
            self.origin,
            photograph_sha256=photograph_sha256,
            planes_sha256=planes_sha256,
            hooks=tuple(hooks),
        )
        return [sign(path, origin, self.credential) for path in sorted(files)]
