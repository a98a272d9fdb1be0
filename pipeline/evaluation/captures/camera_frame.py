"""Where is the head in a capture's world? First from its cameras alone, then from a lifted subject."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.passport import Passport
from teachers.rendering.camera import Camera

from .similarity import Similarity


def frame_of_cameras(camera: Camera, passport: Passport) -> Similarity:
    """A first guess from cameras that all look at a head: the world turned, moved and scaled so
    that the optical axes meet in the teacher's origin, the cameras stand upright, the first one in
    front and at the teacher's distance.

    Args:
        camera: two or more that don't all look the same way.

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
    """The point that is nearest to all optical axes, by least squares."""
    position, forward = (
        camera.cam_to_world[:, :3, 3].double(),
        camera.cam_to_world[:, :3, 2].double(),
    )
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None, :]
    normal = across.sum(0)
    if torch.linalg.eigvalsh(normal)[0] < 1e-6 * len(camera):
        raise ValueError(
            "all cameras of a capture look the same way: their axes don't meet in a head"
        )
    return torch.linalg.solve(normal, (across @ position[:, :, None]).sum(0)[:, 0])


def frame_of_given(given: Camera, found: Camera, scale: float) -> Similarity:
    """The similarity that takes the given camera of a capture to where a lifted subject says that
    it stands.

    Args:
        given: in the capture's world.
        found: the same camera in the planes' world.
        scale: units of the planes for one unit of the capture; one picture alone can't tell.
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
    """Median ratio of the planes' depth to the capture's where both show the subject; the fallback
    if that is nowhere.
    """
    where = where & (reference_depth > 0) & (depth > 0)
    return (depth[where] / reference_depth[where]).median().item() if where.any() else fallback
