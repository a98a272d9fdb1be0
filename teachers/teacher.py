"""The teacher protocol: z → ws → planes → images."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from .passport import Passport
from .rendering.camera import Camera
from .rendering.renderer import Renderer
from .rendering.rendering import RayJitter, Rendering
from .rendering.triplane import Triplane


@runtime_checkable
class Teacher(Protocol):
    """A frozen 3D GAN.

    Its parameters never require gradients and it is never in training mode, but its methods are
    differentiable in latents, planes and cameras (inversion needs that). Synthesise once per
    identity, then render from many cameras.
    """

    passport: Passport
    z_dim: int

    @property
    def renderer(self) -> Renderer:
        """(triplane, camera, ws, jitter) → Rendering; a student starts from a copy of it."""
        ...

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        """The address of a function of `teachers` and its arguments: they build `renderer` anew.

        Its weights are not included.

        A student file stores it, so that a student renders without its teacher.
        """
        ...

    def map_latents(
        self,
        z: Float[Tensor, "batch z_dim"],
        camera: Camera | None = None,
        *,
        truncation: float = 1.0,
    ) -> Float[Tensor, "batch layer w_dim"]:
        """Maps z (and a conditioning camera) to ws, pulled to the mean by `truncation`."""
        ...

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """Makes the triplane of one identity per row of ws."""
        ...

    def render(
        self,
        triplane: Triplane,
        camera: Camera,
        *,
        ws: Float[Tensor, "batch layer w_dim"] | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        """One image per row of triplane and camera.

        `ws` is needed only where the passport says that super-resolution takes the teacher's w.
        Without `jitter` the ray samples sit in the middle of their strata: the same image every
        time.
        """
        ...

    def mean_latent(self) -> Float[Tensor, "1 layer w_dim"]:
        """The average ws: truncation 0."""
        ...
