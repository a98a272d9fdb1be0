"""Errors of the fitted pose on rendered heads, as docs/portraits.md has them.

Run from the repository's root, with the extra `heads`: `python docs/figures/pose_errors.py` (three
minutes, no GPU). People of the test split with their own expressions, hair, hats, glasses, masks
and light, seen by known cameras and found by the face mesh, as `portraits=facemesh` finds them in
photographs whose focal length is known.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.pictures import to_uint8
from pipeline.portraits.face import DetectedFace, Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from pipeline.portraits.pose import Lens, Pose, fit_pose
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

SIDE = 256
EDGES_DEG = (0, 15, 30, 45, 60)
PITCH_DEG, ROLL_DEG, RADIUS = 20.0, 15.0, (2.5, 2.9)
FOCAL = 4.2647


@dataclass(frozen=True)
class Case:
    """One person. `errors`: yaw, pitch, roll (degrees), distance (share); `is_held`: whether the
    intervals of yaw, pitch and roll hold the truth; both of the mesh and of the five points; None:
    no face was found.
    """

    yaw_deg: float
    errors: np.ndarray | None = None
    is_held: np.ndarray | None = None


def cases(count: int) -> Iterator[Case]:
    """People 0 to `count - 1` of the test split, in turn in each range of yaw."""
    random, world = np.random.default_rng(0), HeadWorld()
    crops = FaceCrops(FaceMeshDetector())
    for number in range(count):
        low = EDGES_DEG[number % (len(EDGES_DEG) - 1)]
        yaw = random.uniform(low, low + 15) * random.choice([-1, 1])
        pitch, roll = random.uniform(-1, 1, 2) * (PITCH_DEG, ROLL_DEG)
        radius = random.uniform(*RADIUS)
        angles = torch.tensor([yaw, pitch, roll]).float().deg2rad()
        camera = Camera.orbit(
            angles[:1], angles[1:2], roll=angles[2:], radius=radius, pivot=world.pivot, focal=FOCAL
        )
        image = world.render(WorldSeeds.of(Split.TEST, [number]), camera, SIDE).image()[0]
        picture = Picture(Image.fromarray(to_uint8(image)), Path("head.png"), focal_px=FOCAL * SIDE)
        (framed,) = crops.frame(picture)
        if framed.pose is None or framed.landmarks is None:
            yield Case(yaw)
            continue
        middle = framed.crop.to_square(np.array([[SIDE / 2, SIDE / 2]]))[0]
        lens = Lens(FOCAL * SIDE / framed.crop.size, (float(middle[0]), float(middle[1])))
        five = DetectedFace.around(framed.landmarks).five_points()
        poses = framed.pose, fit_pose(framed.crop.to_square(five), lens)
        truth = np.array([yaw, pitch, roll - framed.crop.roll_deg])
        errors = np.stack([_errors(pose, truth, radius) for pose in poses])
        intervals = np.array([pose.interval_deg for pose in poses])
        yield Case(yaw, errors, np.abs(errors[:, :3]) < intervals)


def _errors(pose: Pose, truth: np.ndarray, radius: float) -> np.ndarray:
    angles = np.array([pose.yaw_deg, pose.pitch_deg, pose.roll_deg]) - truth
    return np.append(angles, pose.distance / radius - 1)


def table(found: list[Case]) -> str:
    """Markdown: median and mean of the absolute errors, mean pitch error, shares of intervals;
    dashes where no face was found.
    """
    ranges = [*pairwise(EDGES_DEG), (0, 45)]
    lines = [
        "| points | yaw, ° | people (missed) | yaw: median, mean | pitch | … signed mean | roll"
        " | distance | 95 % intervals hold yaw, pitch, roll |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, name in enumerate(("mesh", "five")):
        for low, high in ranges:
            people = [case for case in found if low <= abs(case.yaw_deg) < high]
            seen = [case for case in people if case.errors is not None]
            head = f"| {name} | {low}–{high} | {len(people)} ({len(people) - len(seen)})"
            if not seen:
                lines.append(f"{head} | – | – | – | – | – | – |")
                continue
            errors = np.stack([case.errors[row] for case in seen])  # type: ignore[index]
            held = np.stack([case.is_held[row] for case in seen]).mean(0)  # type: ignore[index]
            size = np.abs(errors)
            median, mean = np.median(size, 0), size.mean(0)
            angles = [f"{median[k]:.1f}, {mean[k]:.1f}" for k in range(3)]
            shares = ", ".join(f"{100 * share:.0f} %" for share in held)
            lines.append(
                f"{head} | {angles[0]} | {angles[1]} | {errors[:, 1].mean():+.1f} | {angles[2]}"
                f" | {100 * median[3]:.0f} %, {100 * mean[3]:.0f} % | {shares} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=240, help="people")
    torch.set_num_threads(1)
    print(table(list(cases(parser.parse_args().count))))


if __name__ == "__main__":
    main()
