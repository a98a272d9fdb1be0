"""Is the astronaut's lift hers? Compares it with the lifts of rendered heads, all by one student:
how far is each from her photograph, for dlib's face recognition network?

Run from the repository's root with the extras `faces` and `heads`, after `make weights` (or
`trilift weights identity`): `python docs/figures/astronaut.py bundled/heads_tiny`. Heads are
of the test split, which neither the teacher nor the student was trained on. The photograph is
scikit-image's astronaut, public domain.
"""

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from skimage import data
from torch import Tensor
from weight_proofs import Embeddings

from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.pictures import to_uint8
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from pipeline.viewer.drawing import View, draw
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

YAW_DEG = 15.0
"""The heads' photographs are taken from up to this yaw, to either side in turn."""
SIDE = 256
"""Of the heads' photographs, pixels."""
TARGET = 0.95


def statement(own: float | None, others: Sequence[float | None]) -> str:
    """How many lifts of others are farther from her photograph than hers; a lift without a face is
    farther than any.
    """
    faceless = sum(other is None for other in others)
    tail = f" ({faceless} of them have no face)" if faceless else ""
    if own is None:
        return (
            f"No face is found in the astronaut's lift, so it is nearer than none of {len(others)}."
        )
    nearer = sum(other is None or own < other for other in others)
    verdict = "met" if nearer >= TARGET * len(others) else "missed"
    found = sorted(other for other in others if other is not None)
    spread = f"; theirs: {found[0]:.3f} to {found[-1]:.3f}" if found else ""
    return (
        f"The astronaut's lift is nearer her photograph (identity distance {own:.3f}) than those of"
        f" {nearer} of {len(others)} test heads are{tail}{spread}. {TARGET:.0%}: {verdict}."
    )


def distance(embeddings: Embeddings, portrait: LiftedPortrait, photograph: Tensor) -> float | None:
    """Of a lift's frontal view to a photograph's embedding; None without a face."""
    found = embeddings.of(Image.fromarray(draw(portrait, View())))
    return None if found is None else (found - photograph).norm().item()


def heads(count: int) -> Iterator[Image.Image]:
    """Photographs of test heads."""
    world = HeadWorld(supersampling=2)
    for number in range(count):
        yaw = torch.tensor([math.radians(YAW_DEG if number % 2 else -YAW_DEG)])
        camera = Camera.orbit(yaw, torch.zeros(1), pivot=world.pivot)
        view = world.render(WorldSeeds.of(Split.TEST, [number]), camera, SIDE)
        yield Image.fromarray(to_uint8(view.image()[0]))


@torch.inference_mode()
def main() -> None:
    """Prints the statement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("student", help="bundled/NAME, or a file")
    given = os.environ.get("TRILIFT_WEIGHTS", "weights")
    parser.add_argument("--weights", type=Path, default=Path(given))
    parser.add_argument("--count", type=int, default=100, help="test heads")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    embeddings = Embeddings(arguments.weights)
    reconstructor = Reconstructor.from_pretrained(arguments.student)
    crops = FaceCrops(FaceMeshDetector())
    photograph = Image.fromarray(data.astronaut())
    hers = embeddings.of(photograph)
    assert hers is not None
    own = distance(embeddings, reconstructor.lift(photograph, framing=crops), hers)
    # heads are drawn in the crop that students know
    others = [
        distance(embeddings, reconstructor.lift(each), hers) for each in heads(arguments.count)
    ]
    print(f"{arguments.student}: {statement(own, others)}")


if __name__ == "__main__":
    main()
