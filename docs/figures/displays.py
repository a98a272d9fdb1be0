"""Draws docs/displays.jpg: what `trilift export` writes for displays, of a lifted puppet. First the
quilt and the stereo pair, then the anaglyph, the field's picture, and its splats.

Run from the repository's root: `python docs/figures/displays.py` (extra `export`, a minute,
no GPU).
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.exporters.display_files import DisplaySettings
from pipeline.exporters.formats import FileSettings, HeadFiles
from pipeline.exporters.mesh import METRES_PER_UNIT
from pipeline.exporters.quilt import DISPLAYS
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter
from pipeline.pictures import to_uint8
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import choose_kernels
from tests.pipeline.exporters.splatting import read_splats, rendered

OUTPUT = Path(__file__).resolve().parents[1] / "displays.jpg"
PUPPET = 3
"""Number in the test split."""
SIDE = 256


def main() -> None:
    """Writes the sheet."""
    torch.set_num_threads(1)
    choose_kernels("fast")
    reconstructor = Reconstructor(Lifter.load(student_file("bundled/puppets_tiny")))
    frontal = reconstructor.lifter.passport.orbit(torch.zeros(1))
    seeds = WorldSeeds.of(Split.TEST, [PUPPET])
    head = reconstructor.lift(
        PuppetWorld().render(seeds, frontal, reconstructor.image_size).image(1.0)
    )
    camera = head.orbit(yaw_deg=25)
    renderer = head.lifter.renderer.changed(resolution=SIDE)
    with torch.no_grad():
        field = to_uint8(renderer(head.triplane, camera).image[0])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stereo = FileSettings(displays=DisplaySettings(rays=SIDE))
        beside, red_cyan, splats = HeadFiles(head, stereo).write(folder, ["stereo", "splat_ply"])
        # the sheet shows a tile in 32 pixels
        small = replace(stereo, displays=DisplaySettings(rays=64))
        (quilt,) = HeadFiles(head, small).write(folder, ["quilt"])
        drawn = rendered(read_splats(splats), camera, SIDE, METRES_PER_UNIT)[0]
        layout = DISPLAYS["portrait"]
        height = 2 * SIDE
        width = round(height * layout.columns * layout.aspect / layout.rows)
        with Image.open(quilt) as image:
            shown = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
        pair, glasses = (np.asarray(Image.open(path)) for path in (beside, red_cyan))
    from_splats = np.round(drawn.clip(0, 1) * 255).astype(np.uint8)
    gap = np.full((SIDE, SIDE // 2, 3), 255, np.uint8)
    upper = np.concatenate([pair, gap, gap[:, : SIDE // 2]], 1)
    lower = np.concatenate([glasses, field, from_splats], 1)
    Image.fromarray(np.concatenate([shown, np.concatenate([upper, lower])], 1)).save(
        OUTPUT, quality=88
    )


if __name__ == "__main__":
    main()
