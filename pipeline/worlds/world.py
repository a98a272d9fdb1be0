"""What a procedural world is."""

from typing import Protocol, runtime_checkable

from teachers.rendering.camera import Camera

from .splits import WorldSeeds
from .views import WorldViews


@runtime_checkable
class World(Protocol):
    """Identities with exact 3D, drawn from seeds."""

    name: str
    """How configurations and files call it."""

    version: int
    """Raised whenever images, depth, normals or labels change; results of different versions are
    kept apart.
    """

    pivot: tuple[float, float, float]
    """What its cameras look at, world units; a teacher of it needs the same (`camera_pivot`)."""

    def render(self, seeds: WorldSeeds, camera: Camera, resolution: int) -> WorldViews:
        """One square picture per camera; row i shows the identity of row i of `seeds`.

        Raises:
            ValueError: the numbers of seeds and cameras differ.
        """
        ...


def check_counts(seeds: WorldSeeds, camera: Camera) -> None:
    """Raises ValueError unless there are as many cameras as seeds."""
    if len(seeds) != len(camera):
        raise ValueError(
            f"{len(seeds)} seeds came with {len(camera)} cameras: give each identity one camera"
            " (repeat the identity for more views)."
        )
