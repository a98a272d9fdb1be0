"""The head's pose in a capture's world: a guess from its cameras, then an estimate from a lift."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.passport import Passport
from teachers.rendering.camera import Camera

from .similarity import Similarity


def frame_of_cameras(camera: Camera, passport: Passport) -> Similarity:
    """The transform after which the optical axes meet in the teacher's origin, the cameras are
    upright on average, and the first is frontal at the teacher's distance.

    Args:
        camera: two or more whose axes aren't all parallel, in the capture's world.
        passport: of the teacher.

    Raises:
        ValueError: the optical axes are parallel.
    """
    middle = convergence(camera)
    position = camera.cam_to_world[:, :3, 3].double()
    upward = -camera.cam_to_world[:, :3, 1].double().mean(0)
    toward = position[0] - middle
    up = F.normalize(upward, dim=0)
    front = F.normalize(toward - up * (toward @ up), dim=0)
    rotation = torch.stack([torch.linalg.cross(up, front), up, front])
    scale = passport.camera_radius / toward.norm().item()
    return Similarity(scale, rotation, -scale * rotation @ middle)


def convergence(camera: Camera) -> Float[Tensor, " 3"]:
    """The point with the least sum of squared distances to the optical axes."""
    position, forward = (
        camera.cam_to_world[:, :3, 3].double(),
        camera.cam_to_world[:, :3, 2].double(),
    )
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None, :]
    normal = across.sum(0)
    if torch.linalg.eigvalsh(normal)[0] < 1e-6 * len(camera):
        raise ValueError(
            "all cameras of a capture have the same direction: their axes don't meet in a head"
        )
    return torch.linalg.solve(normal, (across @ position[:, :, None]).sum(0)[:, 0])


def frame_of_given(given: Camera, found: Camera, scale: float) -> Similarity:
    """The transform that moves the input's camera in a capture to its estimated pose.

    Args:
        given: in the capture's world.
        found: the same camera in the planes' world.
        scale: units of the planes in one unit of the capture; a single image doesn't determine it.
    """
    rotation = found.cam_to_world[0, :3, :3].double() @ given.cam_to_world[0, :3, :3].double().mT
    return Similarity(
        scale,
        rotation,
        found.cam_to_world[0, :3, 3].double()
        - scale * rotation @ given.cam_to_world[0, :3, 3].double(),
    )


def scale_of_depths(
    depth: Float[Tensor, "1 height width"],
    reference_depth: Float[Tensor, "1 height width"],
    where: Tensor,
    *,
    fallback: float,
) -> float:
    """Median ratio of the planes' depth to the capture's inside both silhouettes; the fallback if
    they don't overlap.
    """
    where = where & (reference_depth > 0) & (depth > 0)
    return (depth[where] / reference_depth[where]).median().item() if where.any() else fallback
