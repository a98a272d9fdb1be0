"""Draws docs/heads.jpg: people of the world of heads; normals, parts and depth of three of them.

Run from the repository's root, with the extra `heads`: `python docs/figures/heads.py` (half a
minute, no GPU). The people are the first of the training split: none is chosen.
"""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from pipeline.pictures import depth_picture, tile, to_uint8
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.views import WorldViews
from teachers.rendering.camera import Camera

OUTPUT = Path(__file__).resolve().parents[1] / "heads.jpg"
ROWS, COLUMNS = 3, 9
SIDE = 128
YAWS = (-0.6, -0.3, 0.0, 0.3, 0.6)
KNOWN = (2, 7, 19)
"""Whose normals, parts and depth the last row shows."""
DEPTHS = (2.35, 3.0)


def main() -> None:
    """Writes the picture."""
    count = ROWS * COLUMNS
    yaw = torch.tensor(YAWS).repeat(count)[:count]
    seeds = WorldSeeds.of(Split.TRAIN, range(count))
    views = HeadWorld().render(seeds, Camera.orbit(yaw, torch.full_like(yaw, 0.05)), SIDE)
    rows = [list(views.image()[row * COLUMNS :][:COLUMNS]) for row in range(ROWS)]
    rows.append([layer for person in KNOWN for layer in layers(views, person)])
    Image.fromarray(to_uint8(tile(rows))).save(OUTPUT, quality=90)


def layers(views: WorldViews, person: int) -> list[Tensor]:
    """Normals, parts and depth of one view, in [-1, 1]."""
    number = views.part[person, 0]
    hue = number / len(Part) * 2.0 * torch.pi
    wheel = torch.stack([torch.cos(hue - shift) for shift in (0.0, 2.1, 4.2)])
    depth = depth_picture(views.depth[person], *DEPTHS, colours="grey")
    is_person = views.opacity[person] > 0.5
    return [
        views.normal[person],
        torch.where(number > 0, wheel, -1.0),
        torch.where(is_person, depth, -1.0),
    ]


if __name__ == "__main__":
    main()
