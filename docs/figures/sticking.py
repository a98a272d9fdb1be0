"""Prints the sticking scores of docs/metrics.md and draws docs/sticking.png: a row of pixels, one
line for each camera of a turn. Detail on the surface slants, detail that sticks stands upright.

Run from the repository's root: `python docs/figures/sticking.py [TEACHER]` (two minutes, no GPU).
What a super-resolution may do is shown by its parts: rays at half the side, enlarged bilinearly,
with and without the constant noise that StyleGAN2's layers add to every picture alike.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.metrics.sticking import texture_sticking
from pipeline.pictures import tile, write_png
from pipeline.pretraining.teacher_views import sticking_of_world
from pipeline.worlds.opening import open_world
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kernels import choose_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

OUTPUT = Path(__file__).resolve().parents[1] / "sticking.png"
IDENTITIES, SEED = 16, 11
SHOWN, ROW, TURN, LINES = 2, 0.3, 0.3, 64
"""Identity, height of the row as a share of the side, largest yaw in radians, cameras."""

Draw = Callable[[Triplane, Camera], Rendering]


def main() -> None:
    """Prints and draws."""
    choose_kernels("fast")
    teacher = load_teacher(sys.argv[1] if len(sys.argv) > 1 else "bundled/puppets")
    assert isinstance(teacher, EG3DTeacher)
    z = torch.randn(IDENTITIES, teacher.z_dim, generator=torch.Generator().manual_seed(SEED))
    triplane = teacher.synthesize(teacher.map_latents(z))
    truth = sticking_of_world(teacher, open_world("puppets"), identities=IDENTITIES)
    print(f"the world of puppets: {truth.score:.3f}, with surface {truth.surface:.2f}")
    columns = []
    for name, draw in ways(teacher).items():
        cameras = [turned(teacher, IDENTITIES, yaw) for yaw in (-0.15, 0.15)]
        first, second = (draw(triplane, camera) for camera in cameras)
        found = texture_sticking(first, cameras[0], second, cameras[1])
        print(f"{name}: {found.score:.3f}, with surface {found.surface:.2f}")
        columns.append((name, slice_of(teacher, draw, triplane)))
    write_png(OUTPUT, tile([[c for _, c in columns]], 4, column_labels=[n for n, _ in columns]))


def ways(teacher: EG3DTeacher) -> dict[str, Draw]:
    """Ways to draw a teacher's planes, by name."""
    renderer, side = teacher.renderer, teacher.passport.image_resolution
    half = renderer.changed(resolution=side // 2)
    noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))

    def enlarged(amount: float) -> Draw:
        def draw(triplane: Triplane, camera: Camera) -> Rendering:
            rendering = half(triplane, camera)
            image = F.interpolate(rendering.image, (side, side), mode="bilinear")
            return dataclasses.replace(rendering, image=image + amount * noise)

        return draw

    return {
        "every pixel": renderer,
        "enlarged": enlarged(0.0),
        **{f"and noise {amount}": enlarged(amount) for amount in (0.05, 0.1, 0.2)},
    }


def slice_of(teacher: EG3DTeacher, draw: Draw, triplane: Triplane) -> Tensor:
    """One row of pixels of an identity, a line for each camera of a turn."""
    yaws = torch.linspace(-TURN, TURN, LINES)
    lines = []
    for yaw in yaws.tolist():
        image = draw(triplane[SHOWN : SHOWN + 1], turned(teacher, 1, yaw)).image[0]
        lines.append(image[:, round(ROW * image.shape[1])])
    return F.interpolate(torch.stack(lines, 1)[None], scale_factor=3)[0]


def turned(teacher: EG3DTeacher, count: int, yaw: float) -> Camera:
    """Cameras of the teacher's orbit."""
    return teacher.passport.orbit(torch.full((count,), yaw))


if __name__ == "__main__":
    with torch.no_grad():
        main()
