"""Proof values of every outside network, as docs/evaluation.md has them, and how far apart faces
are for dlib's network.

Run from the repository's root, with the extras `faces` and `heads`, after `trilift weights faces`:
`python docs/figures/weight_proofs.py` (two minutes, no GPU). The only real face is scikit-image's
astronaut; other identities are rendered heads of the test split, which are no photographs.
"""

import argparse
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage import data
from torch import Tensor

from pipeline.evaluation.metrics.efficientnet import load_efficientnet
from pipeline.losses.dists import DISTS, FITTED, L2Pool, fitted_weights
from pipeline.losses.dlib_resnet import SAME_IDENTITY, SIDE, DlibResNet
from pipeline.losses.identity_distance import dlib_crop
from pipeline.losses.perceptual import LPIPS, NETWORKS, head_weights
from pipeline.losses.shift_tolerant import load_shift_tolerant_lpips
from pipeline.losses.trunks import vgg16
from pipeline.pictures import to_uint8
from pipeline.portraits.face import Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from pipeline.weights.catalogue import OUTSIDE
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

YAWS_DEG = (-15.0, 0.0, 15.0)
FILES = {outside.name: outside.file for outside in OUTSIDE}


def noise(side: int, count: int) -> tuple[Tensor, Tensor]:
    """Two batches in [-1, 1], always the same."""
    torch.manual_seed(42)
    one, other = torch.rand(count, 3, side, side), torch.rand(count, 3, side, side)
    return one * 2 - 1, other * 2 - 1


def proofs(weights: Path) -> Iterator[tuple[str, str]]:
    """Network → the numbers that its publisher's program gives for the same input."""
    for name in ("alexnet", "vgg16"):
        trunk = NETWORKS[name].build().load(weights / FILES[name], name)
        heads = head_weights(NETWORKS[name].heads.find(weights), trunk.channels)
        yield f"{name} (LPIPS on noise)", _listed(LPIPS(trunk, heads)(*noise(64, 3)), 7)
    trunk = vgg16(pool=L2Pool).load(weights / FILES["vgg16"], "VGG16")
    fitted = fitted_weights(FITTED.find(weights), 3 + sum(trunk.channels))
    yield "vgg16 (DISTS on noise)", _listed(DISTS(trunk, *fitted)(*noise(256, 5)), 4)
    shift = load_shift_tolerant_lpips(weights / FILES["shift_tolerant_lpips"])
    yield "shift_tolerant_lpips (noise)", _listed(shift(*noise(64, 3)), 7)
    network, _ = load_efficientnet(weights)
    cat = data.chelsea()[:, 75:375]
    features = network(torch.from_numpy(cat).permute(2, 0, 1)[None] / 127.5 - 1)
    yield (
        "efficientnet_lite0 (skimage's cat)",
        f"norm {features.norm():.5f}, sum {features.sum():.4f}",
    )
    ramp = np.linspace(0, 255, SIDE).round()
    across, down = np.meshgrid(ramp, ramp)
    face = torch.tensor(np.stack([across, down, np.full_like(across, 128)]), dtype=torch.float32)
    embedding = DlibResNet.load(weights / FILES["identity"]).eval()(face[None] / 127.5 - 1)[0]
    yield "identity (a ramp, first six of 128)", _listed(embedding[:6], 7)


class Embeddings:
    """dlib's embeddings of the crops in which the face mesh finds a face."""

    def __init__(self, weights: Path) -> None:
        self.network = DlibResNet.load(weights / FILES["identity"]).eval()
        self.crops = FaceCrops(FaceMeshDetector())

    def of(self, image: Image.Image) -> Tensor | None:
        """None without a face."""
        (framed,) = self.crops.frame(Picture(image, Path("face.png")))
        if not framed.face_found:
            return None
        embedding: Tensor = self.network(dlib_crop(framed.cut(image, 512)[None]))[0]
        return embedding


def astronaut(embeddings: Embeddings) -> Iterator[tuple[str, float | None]]:
    """Alteration → distance to the unaltered photograph."""
    image = Image.fromarray(data.astronaut())
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    own = embeddings.of(image)
    assert own is not None
    for name, altered in (
        ("turned by 10°", image.rotate(10, Image.Resampling.BICUBIC)),
        ("0.6 of the light", ImageEnhance.Brightness(image).enhance(0.6)),
        ("grey", ImageOps.grayscale(image).convert("RGB")),
        ("mirrored", ImageOps.mirror(image)),
        ("half the resolution", half.resize(image.size, Image.Resampling.BICUBIC)),
        ("blurred by 3 pixels", image.filter(ImageFilter.GaussianBlur(3))),
    ):
        found = embeddings.of(altered)
        yield name, None if found is None else (found - own).norm().item()


def heads(embeddings: Embeddings, count: int, side: int) -> list[list[Tensor]]:
    """For each rendered identity with a face in every view, its embeddings from `YAWS_DEG`."""
    world = HeadWorld()
    found = []
    for number in range(count):
        views = []
        for yaw in torch.tensor(YAWS_DEG).deg2rad():
            camera = Camera.orbit(yaw[None], torch.zeros(1), pivot=world.pivot)
            image = world.render(WorldSeeds.of(Split.TEST, [number]), camera, side).image()[0]
            views.append(embeddings.of(Image.fromarray(to_uint8(image))))
        if all(view is not None for view in views):
            found.append([view for view in views if view is not None])
    return found


def distances(identities: list[list[Tensor]], photograph: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Kind of pair → all distances of that kind."""
    frontal = [views[1] for views in identities]
    pairs = {
        "rendered heads, one identity, frontal and ±15° yaw": [
            (views[1], view) for views in identities for view in (views[0], views[2])
        ],
        "rendered heads, two identities, frontal": list(itertools.combinations(frontal, 2)),
        "the astronaut and a rendered head, frontal": [(photograph, other) for other in frontal],
    }
    for name, both in pairs.items():
        yield name, torch.tensor([(one - other).norm().item() for one, other in both])


def _listed(values: Tensor, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values.tolist())


@torch.inference_mode()
def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    given = os.environ.get("TRILIFT_WEIGHTS", "weights")
    parser.add_argument("--weights", type=Path, default=Path(given))
    parser.add_argument("--count", type=int, default=24, help="rendered identities")
    parser.add_argument("--side", type=int, default=256, help="of their pictures, pixels")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, value in proofs(arguments.weights):
        print(f"{name}: {value}", flush=True)
    embeddings = Embeddings(arguments.weights)
    for name, distance in astronaut(embeddings):
        print(f"astronaut, {name}: {'no face' if distance is None else f'{distance:.2f}'}")
    identities = heads(embeddings, arguments.count, arguments.side)
    print(f"{len(identities)} of {arguments.count} rendered identities have a face in every view")
    own = embeddings.of(Image.fromarray(data.astronaut()))
    assert own is not None
    for name, found in distances(identities, own):
        low, median, high = torch.quantile(found, torch.tensor([0.05, 0.5, 0.95])).tolist()
        share = (found < SAME_IDENTITY).float().mean().item()
        print(
            f"{name}: {len(found)} pairs, median {median:.2f} (5 to 95 %: {low:.2f} to {high:.2f}),"
            f" {100 * share:.0f} % below {SAME_IDENTITY}"
        )


if __name__ == "__main__":
    main()
