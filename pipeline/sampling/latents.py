"""The prior of identities: z, style mixing, truncation, and the conditioning camera of the mapping
network.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .cameras import CameraPrior
from .distributions import Distribution, Fixed
from .draws import Mixing
from .random_streams import normals, stream


class LatentPrior:
    """The distribution of z, of the truncation, of style mixing, and of the conditioning camera;
    LP3D states none of the last three.

    Re-implementations of LP3D differ: truncation 0.7, 0.95 or none; a frontal camera, the one that
    renders, or one near frontal.

    Args:
        truncation: distribution of ψ, one value per identity: 1 is none, 0 the mean latent, and
            any `Distribution` will do.
        conditioning: "frontal" (an identity stays the same from every side), "reference" (the
            camera of the input conditions, as when EG3D was trained: identity then correlates with
            pose), or a prior of its own, such as one near frontal. Teachers without camera
            conditioning ignore it.
        mixing: share of the identities, in [0, 1], whose later synthesis layers have the w of a
            second z; where they begin is uniform over the layers (style mixing; Karras et al. 2019,
            arXiv:1812.04948, section 3.1). Such identities combine a shape and colours that no
            single z has.

    Raises:
        ValueError: `conditioning` is another word, or `mixing` no share.
    """

    def __init__(
        self,
        *,
        truncation: Distribution | None = None,
        conditioning: str | CameraPrior = "frontal",
        mixing: int | float = 0,
    ) -> None:
        if isinstance(conditioning, str) and conditioning not in ("frontal", "reference"):
            raise ValueError(
                f"conditioning is {conditioning!r}: use frontal, reference, or a camera prior"
            )
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing is {mixing}: give the share of mixed identities, 0 to 1")
        self.mixing = mixing
        self.truncation = truncation or Fixed(value=1.0)
        self.conditioning = conditioning

    def draw_z(
        self, seed: int, identities: Sequence[int], z_dim: int, *, attempt: int = 0
    ) -> Float[Tensor, "batch z_dim"]:
        """Standard normal z of each number, independent for every attempt."""
        return normals(seed, identities, _purpose("latent", attempt), z_dim)

    def draw_mixing(
        self, seed: int, identities: Sequence[int], z_dim: int, *, attempt: int = 0
    ) -> Mixing | None:
        """The second z and the crossover of each number; None where no identity is ever mixed."""
        if not self.mixing:
            return None
        crossover = []
        for number in identities:
            random = stream(seed, number, _purpose("mixing", attempt))
            is_mixed, place = random.random() < self.mixing, random.random()
            crossover.append(place if is_mixed else 1.0)
        z = normals(seed, identities, _purpose("second latent", attempt), z_dim)
        return Mixing(z, torch.tensor(crossover, dtype=torch.float32))

    def draw_truncation(
        self, seed: int, identities: Sequence[int], *, attempt: int = 0
    ) -> Float[Tensor, " batch"]:
        """ψ of each number."""
        purpose = _purpose("truncation", attempt)
        return torch.tensor(
            [self.truncation.draw(stream(seed, n, purpose)) for n in identities],
            dtype=torch.float32,
        )

    def draw_conditioning(
        self, seed: int, identities: Sequence[int], reference: Camera, *, attempt: int = 0
    ) -> Camera | None:
        """The camera that conditions the mapping network; None: the teacher's frontal one."""
        if self.conditioning == "frontal":
            return None
        if self.conditioning == "reference":
            return reference
        assert not isinstance(self.conditioning, str)
        return self.conditioning.draw(seed, identities, _purpose("conditioning", attempt))


def _purpose(name: str, attempt: int) -> str:
    return name if attempt == 0 else f"{name}, attempt {attempt}"
