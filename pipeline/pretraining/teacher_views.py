"""Images of a teacher for its scores and sheets: the same identities every time."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.metrics.consistency import multi_view_consistency
from pipeline.evaluation.metrics.sticking import Sticking, texture_sticking
from pipeline.inference.background import background_of
from pipeline.pictures import depth_picture, normal_picture, tile
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.world import World
from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


@torch.no_grad()
def draw_images(
    teacher: EG3DTeacher, cameras: Camera, count: int, *, seed: int = 3
) -> Float[Tensor, "image 3 height width"]:
    """Images of `count` identities at cameras of the data, clamped to [-1, 1]."""
    z, chosen = drawn_identities(teacher, cameras, count, seed=seed)
    return torch.cat(
        [_images(teacher, z[i : i + 4], chosen[i : i + 4]) for i in range(0, count, 4)]
    )


def drawn_identities(
    teacher: EG3DTeacher, cameras: Camera, count: int, *, seed: int = 3
) -> tuple[Float[Tensor, "image z_dim"], Camera]:
    """Latents, and as many cameras of the data, the same every time."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(count, teacher.z_dim, generator=random)
    rows = torch.randint(len(cameras), (count,), generator=random)
    return z, cameras.to(torch.device("cpu"))[rows]


@torch.no_grad()
def view_scores(teacher: EG3DTeacher, *, identities: int = 32, seed: int = 11) -> dict[str, float]:
    """Consistency of identities between yaw -0.15 and 0.15."""
    triplane, ws = _identities(teacher, identities, seed=seed)
    views = [_orbit(teacher, identities, yaw, 0.0).to(triplane.planes) for yaw in (-0.15, 0.15)]
    first, second = (teacher.render(triplane, camera, ws=ws) for camera in views)
    agreement = multi_view_consistency(first, views[0], second, views[1])
    return {
        "view_error": agreement.error,
        "view_still": agreement.still,
        "view_agreeing": agreement.agreeing,
    }


@torch.no_grad()
def sticking_score(teacher: EG3DTeacher, *, identities: int = 32, seed: int = 11) -> Sticking:
    """How much of the images' detail stays on the screen between yaw -0.15 and 0.15."""
    triplane, ws = _identities(teacher, identities, seed=seed)
    views = [_orbit(teacher, identities, yaw, 0.0).to(triplane.planes) for yaw in (-0.15, 0.15)]
    first, second = (teacher.render(triplane, camera, ws=ws) for camera in views)
    return texture_sticking(first, views[0], second, views[1])


def sticking_of_world(teacher: EG3DTeacher, world: World, *, identities: int = 32) -> Sticking:
    """The same of images of a world, by its own depth, at the teacher's cameras: how far from 0 the
    score is where nothing sticks.
    """
    views = [_orbit(teacher, identities, yaw, 0.0) for yaw in (-0.15, 0.15)]
    drawn = []
    for camera in views:
        seeds = WorldSeeds.of(Split.VALIDATE, range(identities))
        seen = world.render(seeds, camera, teacher.passport.image_resolution)
        image = seen.image(background_of(teacher.passport))
        drawn.append(Rendering(image, image, image, seen.depth, seen.opacity))
    return texture_sticking(drawn[0], views[0], drawn[1], views[1])


@torch.no_grad()
def teacher_sheet(
    teacher: EG3DTeacher, *, identities: int = 8, seed: int = 5, truncation: float = 1.0
) -> Float[Tensor, "3 height width"]:
    """Identities by rows: yaw -0.6 … 0.6, then frontal depth and normals."""
    triplane, ws = _identities(teacher, identities, seed=seed, truncation=truncation)
    columns: list[Tensor] = []
    frontal = None
    for yaw in (-0.6, -0.3, 0.0, 0.3, 0.6):
        camera = _orbit(teacher, identities, yaw, 0.05).to(triplane.planes)
        rendering = teacher.render(triplane, camera, ws=ws)
        columns.append(rendering.image)
        frontal = (rendering, camera) if yaw == 0 else frontal
    assert frontal is not None
    rendering, camera = frontal
    distance = teacher.passport.camera_radius
    surfaces = (
        depth_picture(rendering.depth, distance - 0.3, distance + 0.15),
        normal_picture(rendering.depth, camera),
    )
    columns += [
        torch.where(rendering.opacity > 0.5, surface, torch.ones_like(surface))
        for surface in surfaces
    ]
    side = teacher.passport.image_resolution
    columns = [torch.nn.functional.interpolate(column, size=(side, side)) for column in columns]
    return tile([[column[row].cpu() for column in columns] for row in range(identities)])


def _orbit(teacher: EG3DTeacher, count: int, yaw: float, pitch: float) -> Camera:
    return teacher.passport.orbit(torch.full((count,), yaw), torch.full((count,), pitch))


def _identities(
    teacher: EG3DTeacher, count: int, *, seed: int, truncation: float = 1.0
) -> tuple[Triplane, Tensor]:
    z = torch.randn(count, teacher.z_dim, generator=torch.Generator().manual_seed(seed))
    ws = teacher.map_latents(z.to(teacher.mean_latent()), truncation=truncation)
    return teacher.synthesize(ws), ws


def _images(teacher: EG3DTeacher, z: Tensor, camera: Camera) -> Tensor:
    ws = teacher.map_latents(z.to(teacher.mean_latent()))
    return teacher.render(teacher.synthesize(ws), camera.to(ws), ws=ws).image.clamp(-1, 1).cpu()
