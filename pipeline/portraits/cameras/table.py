"""Named cameras in this project's convention, and the axes of the others.

Everything is in double precision, so that conversions through several formats are lossless.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

OPENCV_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Camera axes: x right, y down, z forward ↔ x right, y up, z backward; its own inverse."""

WORLDS = {
    "y": np.eye(4),
    "z": np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]),
    "-y": np.diag([1.0, -1.0, -1.0, 1.0]),
}
"""The up axis of a world → the rotation from it to ours, where y is up and a face looks along +z.

In Blender's world z is up, and what faces the front view looks along -y.
"""


@dataclass(frozen=True)
class CameraTable:
    """Cameras with the names of their images.

    Attributes:
        names: of the images, unique.
        cam_to_world: OpenCV's axes, y up.
        intrinsics: divided by the image's width (first row) and height (second row).
        sizes: width and height in pixels; None: unknown.

    Raises:
        ValueError: no cameras, a name twice, or a number that isn't finite.
    """

    names: list[str]
    cam_to_world: Float[np.ndarray, "camera 4 4"]
    intrinsics: Float[np.ndarray, "camera 3 3"]
    sizes: Int[np.ndarray, "camera 2"] | None = None

    def __post_init__(self) -> None:
        twice = (
            {name for name in self.names if self.names.count(name) > 1}
            if len(set(self.names)) < len(self.names)
            else set()
        )
        if twice:
            raise ValueError(f"several cameras are called {min(twice)!r}: names must be unique")
        if not self.names:
            raise ValueError("there are no cameras in it")
        finite = np.isfinite(self.cam_to_world).all((1, 2)) & np.isfinite(self.intrinsics).all(
            (1, 2)
        )
        if not finite.all():
            raise ValueError(
                f"the camera of {self.names[int(finite.argmin())]!r} holds something that isn't a"
                " finite number"
            )

    def __len__(self) -> int:
        return len(self.names)

    def sized(self, size: int | None) -> Int[np.ndarray, "camera 2"]:
        """Widths and heights; squares of the given size if the table has none.

        Raises:
            ValueError: neither is known.
        """
        if self.sizes is not None:
            return self.sizes
        if size is None:
            raise ValueError(
                "this format is in pixels, and the file doesn't say how large the pictures are:"
                " give size=…"
            )
        return np.full((len(self), 2), size)

    def project(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "camera point 2"]:
        """World points (y up) → positions in [0, 1], u right, v down."""
        local = (points[None] - self.cam_to_world[:, None, :3, 3]) @ self.cam_to_world[:, :3, :3]
        image = local @ self.intrinsics.transpose(0, 2, 1)
        return image[..., :2] / image[..., 2:]

    def in_world(self, up: str) -> "CameraTable":
        """The same cameras in a world with another axis up."""
        return replace(self, cam_to_world=np.linalg.inv(WORLDS[up]) @ self.cam_to_world)

    def from_world(self, up: str) -> "CameraTable":
        """The same cameras in our world, if these are in one with another axis up."""
        return replace(self, cam_to_world=WORLDS[up] @ self.cam_to_world)

    def without_skew(self) -> "CameraTable":
        """Itself; ValueError if it has a skew, which other formats can't hold."""
        skewed = np.flatnonzero(np.abs(self.intrinsics[:, 0, 1]) > 1e-7)
        if len(skewed):
            raise ValueError(
                f"the intrinsics of {self.names[skewed[0]]} have a skew of"
                f" {self.intrinsics[skewed[0], 0, 1]:g}: this format has no place for it"
            )
        return self
