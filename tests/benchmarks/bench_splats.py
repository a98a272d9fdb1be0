"""Exported splats against the field that they come from: `python -m tests.benchmarks.bench_splats`.

Puppets of the test split, lifted by the bundled student, five views of ±34°; the written file is
drawn by the reference renderer of the tests. docs/export.md has the table.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from pipeline.exporters.formats import FileSettings, HeadFiles
from pipeline.exporters.mesh import METRES_PER_UNIT
from pipeline.exporters.splats import SplatSettings
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.lifter import Lifter
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import choose_kernels
from tests.pipeline.exporters.drawing import psnr
from tests.pipeline.exporters.splatting import read_splats, rendered

YAWS = [-34, -17, 0, 17, 34]


def scores(head: LiftedPortrait, rows: np.ndarray, size: int) -> list[float]:
    """PSNR of each view in dB."""
    cameras = head.orbit(yaw_deg=YAWS)
    renderer = head.lifter.renderer.changed(resolution=size)
    found = []
    for i in range(len(YAWS)):
        camera = cameras[i : i + 1]
        with torch.no_grad():
            image = renderer(head.triplane, camera).image[0]
        view = np.moveaxis((image.numpy() + 1) / 2, 0, 2)
        found.append(float(psnr(rendered(rows, camera, size, METRES_PER_UNIT)[0], view)))
    return found


def main() -> None:
    """Prints a line for each puppet and a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puppets", type=int, default=8, help="how many of the test split")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--refine", type=int, default=SplatSettings().refine, help="steps")
    given = parser.parse_args()
    settings = FileSettings(splats=SplatSettings(refine=given.refine))
    torch.set_num_threads(1)
    choose_kernels("fast")
    reconstructor = Reconstructor(Lifter.load(student_file("bundled/puppets_tiny")))
    frontal = reconstructor.lifter.passport.orbit(torch.zeros(1))
    found: dict[int, list[list[float]]] = {size: [] for size in given.sizes}
    for seed in range(given.first, given.first + given.puppets):
        seeds = WorldSeeds.of(Split.TEST, [seed])
        photograph = PuppetWorld().render(seeds, frontal, reconstructor.image_size).image(1.0)
        head = reconstructor.lift(photograph)
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            file = HeadFiles(head, settings).write(Path(folder), ["splat_ply"])[0]
            megabytes, rows = file.stat().st_size / 1e6, read_splats(file)
        seconds = time.process_time() - started
        for size in given.sizes:
            found[size].append(scores(head, rows, size))
        means = [f"{size}²: {np.mean(found[size][-1]):.2f}" for size in given.sizes]
        print(
            f"puppet {seed}: {len(rows)} splats, {megabytes:.1f} MB, {seconds:.0f} s,"
            f" {', '.join(means)}",
            flush=True,
        )
    print("| side | mean PSNR | worst puppet | worst view |\n|---|---|---|---|")
    for size, table in found.items():
        by_puppet = np.mean(table, 1)
        print(
            f"| {size}² | {np.mean(table):.1f} dB | {by_puppet.min():.1f} dB"
            f" | {np.min(table):.1f} dB |"
        )


if __name__ == "__main__":
    main()
