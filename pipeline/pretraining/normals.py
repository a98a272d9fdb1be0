"""The normals of a teacher's identities. A generated identity has no true surface: they are
compared with the world's as sets, and with the field's own gradient.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.metrics.frechet import FrechetScores, in_floors
from pipeline.evaluation.metrics.normals import inner
from pipeline.pictures import normal_picture, surface_normals
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.world import World
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.density import HasSignedDistance
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .teacher_views import drawn_identities

AT_ONCE = 8
SOLID = 0.95


@dataclass(frozen=True)
class NormalScores:
    """Normals of a teacher, beside those of its world.

    Attributes:
        field_angle: mean angle in degrees, over the solid pixels, between the normal of the depth
            image and that of the field at that depth.
        world_angle: the same of identities of the world, whose own normals are exact: what the
            depth's differences are off by at this resolution. None without a world.
        frechet, floor: distances of pictures of the depth's normals from the world's, by features,
            and of the world's from others of it. Empty without a world.
    """

    field_angle: float
    world_angle: float | None
    frechet: dict[str, float]
    floor: dict[str, float]

    def ratios(self) -> dict[str, float]:
        """Distances in multiples of the floor."""
        return in_floors(self.frechet, self.floor)


def normal_scores(
    teacher: EG3DTeacher,
    cameras: Camera,
    world: World | None,
    *,
    compared: int = 256,
    real: int = 512,
) -> NormalScores:
    """Scores of the same identities and cameras every time.

    Args:
        teacher: its depth images have the resolution at which normals are compared.
        cameras: of the data.
        world: that drew the data; None: photographs.
        compared: generated identities.
        real: identities of the world's validation split.
    """
    z, chosen = drawn_identities(teacher, cameras, compared)
    angles, pictures = _Mean(), []
    for rows in torch.arange(compared).split(AT_ONCE):
        found, picture = _of_teacher(teacher, z[rows], chosen[rows])
        angles.add(*found)
        pictures.append(picture)
    if world is None:
        return NormalScores(angles.value, None, {}, {})
    true, true_angle = _of_world(world, teacher, cameras, real)
    frechet = FrechetScores(true, compared=compared)
    distances = frechet(torch.cat(pictures))
    del distances["diversity"]
    return NormalScores(angles.value, true_angle, distances, frechet.floor)


class _Mean:
    """Of angles over all pixels that count."""

    def __init__(self) -> None:
        self.sum, self.count = 0.0, 0

    def add(
        self,
        angles: Float[Tensor, "batch 1 height width"],
        where: Bool[Tensor, "batch 1 height width"],
    ) -> None:
        """More pixels."""
        self.sum += angles[where].double().sum().item()
        self.count += int(where.sum())

    @property
    def value(self) -> float:
        """The mean; NaN of none."""
        return self.sum / self.count if self.count else math.nan


@torch.no_grad()
def _of_teacher(
    teacher: EG3DTeacher, z: Float[Tensor, "batch z_dim"], camera: Camera
) -> tuple[
    tuple[Float[Tensor, "batch 1 height width"], Bool[Tensor, "batch 1 height width"]],
    Float[Tensor, "batch 3 height width"],
]:
    """Angles between the two normals and where they count; a picture of the depth's."""
    ws = teacher.map_latents(z.to(teacher.mean_latent()))
    triplane, camera = teacher.synthesize(ws), camera.to(ws)
    rendering = teacher.render(triplane, camera, ws=ws)
    where = inner(rendering.opacity > SOLID)
    of_field = field_normals(teacher, triplane, rendering, camera)
    angles = angle(surface_normals(rendering.depth, camera), of_field)
    return (angles, where), _pictured(rendering.depth, where, camera)


def _of_world(
    world: World, teacher: EG3DTeacher, cameras: Camera, count: int
) -> tuple[Float[Tensor, "image 3 height width"], float]:
    """Pictures of the depth's normals, and their mean angle to the exact ones."""
    _, chosen = drawn_identities(teacher, cameras, count, seed=4)
    side, angles, pictures = teacher.passport.render_resolution, _Mean(), []
    for rows in torch.arange(count).split(AT_ONCE):
        camera = chosen[rows]
        seen = world.render(WorldSeeds.of(Split.VALIDATE, rows.tolist()), camera, side)
        where = inner(seen.opacity > SOLID)
        angles.add(angle(surface_normals(seen.depth, camera), seen.normal), where)
        pictures.append(_pictured(seen.depth, where, camera))
    return torch.cat(pictures), angles.value


def field_normals(
    teacher: EG3DTeacher, triplane: Triplane, rendering: Rendering, camera: Camera
) -> Float[Tensor, "batch 3 height width"]:
    """Unit normals of the field at the depth of each pixel, in world space, outwards: against the
    gradient of the density, along that of a signed distance.
    """
    side = rendering.depth.shape[-1]
    points = camera.rays(side).at(rendering.depth.flatten(1)[..., None])[:, :, 0]
    field = teacher.renderer.field(triplane)
    with torch.enable_grad(), use_kernels("readable"):
        points = points.detach().requires_grad_()
        if isinstance(field, HasSignedDistance):
            outwards = field.signed_distance(points)
        else:
            outwards = -field.density_logit(points)
        (gradient,) = torch.autograd.grad(outwards.sum(), points)
    return F.normalize(gradient.mT.unflatten(2, (side, side)), dim=1, eps=1e-20)


def angle(
    one: Float[Tensor, "batch 3 height width"], other: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, "batch 1 height width"]:
    """Degrees between unit vectors, exact for small ones."""
    sine = torch.linalg.cross(one, other, dim=1).norm(dim=1, keepdim=True)
    return torch.atan2(sine, (one * other).sum(1, keepdim=True)).rad2deg()


def _pictured(
    depth: Float[Tensor, "batch 1 height width"],
    where: Bool[Tensor, "batch 1 height width"],
    camera: Camera,
) -> Float[Tensor, "batch 3 height width"]:
    """Normals in the camera's axes as colours, in front of white."""
    return torch.where(where, normal_picture(depth, camera), 1.0)
