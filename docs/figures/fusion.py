"""Prints the table of docs/fusion.md, and draws docs/fusion.jpg: a head with paint on one cheek.

Films of the puppets' test split (or of `--split validate`) that turn by 35 to 55 degrees, with the
world's truth; the bundled student frame by frame, and with fusers. Run from the repository's root:

    python docs/figures/fusion.py trained=runs/distill/fuser/fuser.safetensors
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.distillation.fuser_scores import turn_scores
from pipeline.distillation.fuser_training import LiftedTurn
from pipeline.fusion import TrainedFuser, fused_frames
from pipeline.inference.pretrained import student_file
from pipeline.inference.sheet import enlarged
from pipeline.lifter import Lifter
from pipeline.pictures import to_uint8
from pipeline.worlds.splits import Split
from pipeline.worlds.turns import Turn, TurnSource
from students.fuser import TriplaneFuser
from teachers.kernels import choose_kernels

OUTPUT = Path(__file__).resolve().parents[1] / "fusion.jpg"
FILMS = TurnSource(frames=16, views=2, fps=8.0, supersampling=2)
NAMES = ("hidden_psnr", "visible_psnr", "features_error", "jitter", "painted_psnr")


def main() -> None:
    """Prints and draws."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fusers", nargs="*", help="NAME=FILE, drawn is the last")
    parser.add_argument("--split", default="test")
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--painted", type=int, default=0, help="number of the film with paint")
    given = parser.parse_args()
    torch.set_num_threads(1)
    choose_kernels("fast")
    lifter = Lifter.load(student_file("bundled/puppets_tiny")).requires_grad_(False)
    fusers: dict[str, TriplaneFuser | None] = {
        "each frame by itself": None,
        "by visibility alone": TrainedFuser.untrained(lifter.passport).network,
    }
    for entry in given.fusers:
        name, _, file = entry.partition("=")
        fusers[name] = TrainedFuser.load(Path(file)).network
    source = replace(FILMS, split=Split[given.split.upper()])
    films = [source(number) for number in range(given.films)]
    painted = replace(source, paints=True)(given.painted)
    print("| | hidden side, dB | visible side, dB | eyes and mouth | jitter | paint, dB |")
    print("|---|---|---|---|---|---|")
    for name, fuser in fusers.items():
        scores = turn_scores(films, lifter, fuser)
        scores["painted_psnr"] = turn_scores([painted], lifter, fuser).get("painted_psnr", np.nan)
        row = " | ".join(f"{scores[key]:.4g}" for key in NAMES)
        print(f"| {name} | {row} |", flush=True)
    drawn(painted, lifter, fusers)


def drawn(turn: Turn, lifter: Lifter, fusers: dict[str, TriplaneFuser | None]) -> None:
    """Every second frame; its frontal view: truth, frame by frame, fused."""
    film, rows = LiftedTurn.of(turn, lifter), [turn.images, turn.targets[:, 0]]
    for fuser in fusers.values():
        triplane = film.triplane
        if fuser is not None:
            frames = fused_frames(fuser, triplane, film.visibility)[0]
            triplane = triplane.with_planes(torch.cat([frame.planes for frame in frames]))
        with torch.inference_mode():
            camera = lifter.passport.orbit(torch.zeros(len(turn.images)))
            rows.append(lifter.render(triplane, camera).image)
    tiles = [[to_uint8(enlarged(image, 96)) for image in row[::2]] for row in rows]
    sheet = np.concatenate([np.concatenate(row, 1) for row in tiles])
    Image.fromarray(sheet).save(OUTPUT, quality=90)


if __name__ == "__main__":
    main()
