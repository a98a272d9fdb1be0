"""Draws docs/head_sequence.jpg: every eighth frame of four seconds of one person; the film itself
goes where `--film` says (MP4, or GIF without PyAV; 60 kB).

Run from the repository's root, with the extra `heads`: `python docs/figures/head_sequence.py` (half
a minute, no GPU).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.inference.video import write_video
from pipeline.pictures import tile, to_uint8
from pipeline.worlds.heads.sequences import render_sequence
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds

OUTPUT = Path(__file__).resolve().parents[1] / "head_sequence.jpg"
PERSON = 4
"""Number in the training split."""
SIDE, FPS, SECONDS = 128, 24, 4
COLUMNS, EVERY = 6, 8


def main() -> None:
    """Writes the sheet, and the film if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--person", type=int, default=PERSON, help="of the training split")
    parser.add_argument("--film", type=Path, help="where to write the film")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds = WorldSeeds.of(Split.TRAIN, [given.person])
    views = render_sequence(HeadWorld(), seeds, FPS * SECONDS, SIDE, fps=float(FPS))
    frames = views.image()
    shown = list(frames[::EVERY])
    rows = [shown[k : k + COLUMNS] for k in range(0, len(shown), COLUMNS)]
    Image.fromarray(to_uint8(tile(rows))).save(OUTPUT, quality=88)
    if given.film is not None:
        pictures = (np.asarray(to_uint8(frame)) for frame in frames)
        print(write_video(given.film, pictures, frames_per_second=FPS))


if __name__ == "__main__":
    main()
