"""Draws docs/film.jpg: every third frame of a lifted film of a cartoon head, below the film itself.

The film is rendered from the puppets' test split. Run from the repository's root, with the extra
`video`: `python docs/figures/film.py` (a minute, no GPU).
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.inference.film_container import write_piece
from pipeline.pictures import to_uint8
from pipeline.portraits.film import TICKS, read_film
from pipeline.verbs import lift
from pipeline.worlds.puppets.sequences import render_sequence
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds

OUTPUT = Path(__file__).resolve().parents[1] / "film.jpg"
PUPPET, COUNT, FPS, SIDE, EVERY = 5, 24, 12, 128, 3


def main() -> None:
    """Writes the sheet."""
    torch.set_num_threads(1)
    seeds = WorldSeeds.of(Split.TEST, [PUPPET])
    views = render_sequence(PuppetWorld(), seeds, COUNT, SIDE, fps=float(FPS))
    shown = [to_uint8(image) for image in views.image(1.0)]
    rows = [np.concatenate(shown[::EVERY], 1)]
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "puppet.mp4"
        write_piece(film, iter(shown), [row * TICKS // FPS for row in range(COUNT)])
        for kind in ("counter", "orbit"):
            output = Path(folder) / kind
            settings = ("portraits=whole", f"film.camera.kind={kind}", f"film.side={SIDE}")
            lift.main(compose("lift", f"input={film}", f"output={output}", *settings))
            frames = [np.asarray(f.image) for f in read_film(output / "puppet" / "film.mp4")]
            rows.append(np.concatenate(frames[::EVERY], 1))
    Image.fromarray(np.concatenate(rows)).save(OUTPUT, quality=88)


if __name__ == "__main__":
    main()
