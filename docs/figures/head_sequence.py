"""Draws docs/head_sequence.jpg: above, every 16th frame of four seconds of one person; below, every
second frame from the first blink that goes with a shift of the gaze on. The film itself goes where
`--film` says (MP4, or GIF without PyAV; 60 kB).

Run from the repository's root, with the extra `heads`: `python docs/figures/head_sequence.py` (ten
seconds, with the film a minute, no GPU).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.inference.video import write_video
from pipeline.pictures import tile, to_uint8
from pipeline.worlds.heads.gaze import blinks_until, gaze_until
from pipeline.worlds.heads.sequences import render_sequence
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds

OUTPUT = Path(__file__).resolve().parents[1] / "head_sequence.jpg"
PERSON = 55
"""Number in the training split."""
SIDE, FPS, SECONDS = 128, 24, 4
COLUMNS, EVERY = 6, 16
BEFORE = 0.1
"""Seconds that are shown before a blink begins."""


def main() -> None:
    """Writes the sheet, and the film if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--person", type=int, default=PERSON, help="of the training split")
    parser.add_argument("--film", type=Path, help="where to write the film")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds = WorldSeeds.of(Split.TRAIN, [given.person])
    first = round((shifting_blink(seeds.expression[0]) - BEFORE) * FPS)
    rows = [list(range(0, COLUMNS * EVERY, EVERY)), list(range(first, first + 2 * COLUMNS, 2))]
    world, count = HeadWorld(), max(rows[0][-1], rows[1][-1]) + 1
    sheet = [
        list(render_sequence(world, seeds, count, SIDE, fps=FPS, frames=row).image())
        for row in rows
    ]
    Image.fromarray(to_uint8(tile(sheet))).save(OUTPUT, quality=88)
    if given.film is not None:
        frames = render_sequence(world, seeds, FPS * SECONDS, SIDE, fps=FPS).image()
        pictures = (np.asarray(to_uint8(frame)) for frame in frames)
        print(write_video(given.film, pictures, frames_per_second=FPS))


def shifting_blink(seed: int) -> float:
    """When (seconds) the first blink begins that a shift of the gaze brings."""
    shifts = set(gaze_until(seed, 60).shifts())
    starts = (blink.start for blink in blinks_until(seed, 60))
    return next(start for start in starts if start > BEFORE and start in shifts)


if __name__ == "__main__":
    main()
