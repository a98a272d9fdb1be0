"""From where cameras look, in degrees."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera


def yaw_deg(camera: Camera) -> Float[Tensor, " view"]:
    """Yaw of where they stand; 0 is frontal, positive to +x."""
    position = camera.cam_to_world[:, :3, 3]
    return position[:, 0].atan2(position[:, 2]).rad2deg()


def pitch_deg(camera: Camera) -> Float[Tensor, " view"]:
    """How far above eye height they stand."""
    position = camera.cam_to_world[:, :3, 3]
    return (position[:, 1] / position.norm(dim=-1)).asin().rad2deg()


def yaw_gap_deg(given: Camera, targets: Camera) -> Float[Tensor, " view"]:
    """The difference in yaw between each target and the camera of the given picture, in [0, 180]; 0
    for that itself.
    """
    gap = (yaw_deg(targets) - yaw_deg(given)).abs()
    return gap.minimum(360 - gap)
