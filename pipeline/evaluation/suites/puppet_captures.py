"""Test puppets as calibrated captures, each in a random world frame: the multiview suite without an
external dataset.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.evaluation.captures.captures import write_capture
from pipeline.evaluation.captures.similarity import Similarity
from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suite_files import write_manifest
from pipeline.inference.background import background_of
from pipeline.sampling.random_streams import stream

from .puppet_suite import PuppetSuite


@dataclass(frozen=True, kw_only=True)
class PuppetCaptures:
    """Identities of the test split as captures.

    Args:
        identities: their number.
        views: of each; the first is the input.
        input_yaw_deg: largest yaw of the input.
        limit_deg: largest yaw of any view.
        supersampling: every pixel is the mean of this number squared of samples.
        seed: of the cameras and of the world frames.
        has_depth: whether depths are written.
    """

    identities: int = 8
    views: int = 6
    input_yaw_deg: int | float = 20.0
    limit_deg: int | float = 50.0
    supersampling: int = 2
    seed: int = 0
    has_depth: bool = True

    def export(self, folder: Path, context: SuiteContext) -> None:
        """Writes one folder for each subject, and the manifest.

        Each subject's cameras are in a randomly rotated, scaled and translated frame; cameras.json
        gives it (`head`).
        """
        puppets = PuppetSuite(
            context=context,
            identities=self.identities,
            views=self.views,
            supersampling=self.supersampling,
            input_yaw_deg=self.input_yaw_deg,
            limit_deg=self.limit_deg,
            seed=self.seed,
        )
        for subject in range(self.identities):
            item = puppets.items()[subject]
            head = world_of(self.seed, subject)
            away = head.inverse()
            reference = puppets.reference(subject)
            depth = (
                reference.depth * away.scale
                if reference.depth is not None and self.has_depth
                else None
            )
            seen = type(reference)(reference.image, depth, reference.opacity)
            write_capture(
                folder / item.name,
                seen,
                away.camera(item.targets),
                head=head,
                group=item.group,
                background=background_of(context.passport),
            )
        licence, split = (puppets.manifest()[key] for key in ("licence", "split"))
        write_manifest(
            folder, suite="multiview", licence=licence, split=split, crop="none: drawn square"
        )


def world_of(seed: int, subject: int) -> Similarity:
    """A random transform from a capture's world to the teacher's: any rotation, a log-uniform scale
    in [0.01, 1], a translation in [-1, 1]³.
    """
    random = stream(seed, subject, "evaluation/worlds")
    quaternion = torch.from_numpy(random.standard_normal(4))
    w, x, y, z = (quaternion / quaternion.norm()).tolist()
    rotation = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )
    scale = math.exp(random.uniform(math.log(0.01), math.log(1.0)))
    return Similarity(scale, rotation, torch.from_numpy(random.uniform(-1, 1, 3)))
