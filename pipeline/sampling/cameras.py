"""Camera priors: the distribution of the cameras that a sample is rendered from (LP3D sec. 4.2 and
supp. A2).
"""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

from teachers.rendering.camera import Camera

from .distributions import Distribution, Fixed
from .random_streams import stream


@runtime_checkable
class CameraPrior(Protocol):
    """A distribution of cameras."""

    def draw(self, seed: int, samples: Sequence[int], purpose: str) -> Camera:
        """One camera for each sample number.

        It follows from (seed, number, purpose) alone, whatever the batch: draw its random numbers
        from `pipeline.sampling.random_streams.stream`.
        """
        ...


class OrbitPrior:
    """A `CameraPrior` of cameras on a sphere about the origin that look at a pivot.

    Each quantity has a distribution and a random stream of its own, so changing one distribution
    moves no other quantity.

    Args:
        yaw_deg: degrees, positive to +x.
        pitch_deg: degrees, positive up; `pitch_distribution` says which degrees.
        pitch_distribution: "elevation": `pitch_deg` is the true elevation. "eg3d_sampler_offset":
            it is the vertical offset v that EG3D's pose sampler takes, which gives the elevation
            asin(2 v / π): 26° of offset are 16.8° of elevation.
        fov_diagonal_deg: *diagonal* field of view: the number that EG3D (18.837) and LP3D (18.83,
            called a focal length there) use.
        roll_deg: degrees, positive turns the picture clockwise.
        radius: distance from the origin, world units.
        principal_point: for each of its two coordinates, as a share of the image; 0.5 is the
            middle.
        pivot: the point that the cameras look at, world units.
    """

    def __init__(
        self,
        *,
        yaw_deg: Distribution,
        pitch_deg: Distribution,
        pitch_distribution: str,
        fov_diagonal_deg: Distribution,
        roll_deg: Distribution | None = None,
        radius: Distribution | None = None,
        principal_point: Distribution | None = None,
        pivot: Sequence[float] = (0.0, 0.0, 0.2),
    ) -> None:
        if pitch_distribution not in ("elevation", "eg3d_sampler_offset"):
            raise ValueError(
                f"pitch_distribution is {pitch_distribution!r}: use elevation or"
                " eg3d_sampler_offset"
            )
        self.distributions: dict[str, Distribution] = {
            "yaw": yaw_deg,
            "pitch": pitch_deg,
            "roll": roll_deg or Fixed(value=0.0),
            "radius": radius or Fixed(value=2.7),
            "fov": fov_diagonal_deg,
            "principal_x": principal_point or Fixed(value=0.5),
            "principal_y": principal_point or Fixed(value=0.5),
        }
        self.pitch_distribution = pitch_distribution
        self.pivot = (float(pivot[0]), float(pivot[1]), float(pivot[2]))

    def draw(self, seed: int, samples: Sequence[int], purpose: str) -> Camera:
        """One camera for each sample number, bit-equal in any batch: each is computed by itself, in
        double precision.
        """
        return Camera.cat([self._draw_one(seed, sample, purpose) for sample in samples])

    def _draw_one(self, seed: int, sample: int, purpose: str) -> Camera:
        value = {
            name: distribution.draw(stream(seed, sample, f"{purpose}/{name}"))
            for name, distribution in self.distributions.items()
        }
        pitch = math.radians(value["pitch"])
        if self.pitch_distribution == "eg3d_sampler_offset":
            pitch = elevation_of_sampler_offset(pitch)
        camera = Camera.orbit(
            torch.tensor([math.radians(value["yaw"])], dtype=torch.float64),
            torch.tensor([pitch], dtype=torch.float64),
            roll=math.radians(value["roll"]),
            radius=value["radius"],
            pivot=self.pivot,
            focal=focal_of_diagonal_fov(value["fov"]),
            principal_point=(value["principal_x"], value["principal_y"]),
        )
        return Camera(camera.cam_to_world.float(), camera.intrinsics.float())


class CameraPair:
    """The priors of a sample's two cameras.

    Args:
        reference: of the student's input; augmented, since photographs come from any camera.
        novel: of another view of the same identity, with the teacher's own intrinsics.
    """

    def __init__(self, *, reference: CameraPrior, novel: CameraPrior) -> None:
        self.reference = reference
        self.novel = novel


def focal_of_diagonal_fov(degrees: float) -> float:
    """Normalised focal length (in image widths) of a square picture whose diagonal spans `degrees`:
    18.83 → 4.264.
    """
    if not 0 < degrees < 180:
        raise ValueError(
            f"the diagonal field of view is {degrees}°: expected more than 0 and less than 180"
        )
    return 1 / (math.tan(math.radians(degrees) / 2) * math.sqrt(2))


def elevation_of_sampler_offset(offset: float) -> float:
    """True elevation (radians) for a vertical offset of EG3D's pose sampler, which is uniform in
    area, not in angle.
    """
    if abs(offset) > math.pi / 2:
        raise ValueError(
            f"a sampler offset of {math.degrees(offset):.1f}° is beyond the pole: expected at"
            " most 90"
        )
    return math.asin(2 * offset / math.pi)
