"""What fusion gains over lifting each frame by itself, on films of a world with truth."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.evaluation.resizing import resized
from pipeline.fusion import fused_frames
from pipeline.lifter import Lifter
from pipeline.worlds.turns import Turn, TurnSource
from students.fuser import TriplaneFuser
from teachers.rendering.triplane import Triplane

from .fuser_training import FuserTraining, LiftedTurn
from .kept_best import KeptBest

TURNED = math.radians(30)
"""Frames whose head is turned by more are the ones that fusion is for."""

REGIONS = ("hidden", "visible", "features", "painted")
"""Sums of squared errors are kept of: what the frame's camera doesn't see, what it sees, eyes and
mouth, paint.
"""


@torch.no_grad()
def turn_scores(
    films: Iterable[Turn], lifter: Lifter, fuser: TriplaneFuser | None
) -> dict[str, float]:
    """Scores of rendered views against the truth; keys whose region never occurs are left out.

    `hidden_psnr`, `visible_psnr`, `painted_psnr`: of those pixels of all target views, at frames
    whose head is turned by more than 30°, over all films together. `features_error`: mean absolute
    error about eyes and mouth, there. `jitter`: mean absolute change, from frame to frame, of the
    frontal view's error at the head's pixels, over all frames: motion that is the truth's doesn't
    count. Errors are of images in [0, 1].

    Args:
        films: with truth; the first target view stays the same camera over a film.
        lifter: the student.
        fuser: None: each frame by itself.
    """
    sums = {region: [0.0, 0.0, 0] for region in REGIONS}
    changes, pixels = 0.0, 0
    for turn in films:
        film = LiftedTurn.of(turn, lifter)
        triplane = film.triplane
        if fuser is not None:
            fused, _ = fused_frames(fuser, triplane, film.visibility)
            triplane = triplane.with_planes(torch.cat([frame.planes for frame in fused]))
        error = _errors(lifter, triplane, turn)
        is_turned = (turn.yaws().abs() > TURNED)[:, None, None, None, None]
        visible = turn.is_head & ~turn.is_hidden
        masks = (turn.is_hidden, visible, turn.is_feature & turn.is_head, turn.is_painted)
        for region, mask in zip(REGIONS, masks, strict=True):
            _add(sums[region], error, mask & is_turned)
        heads = turn.is_head[1:, 0] | turn.is_head[:-1, 0]
        change = (error[1:, 0] - error[:-1, 0]).abs().mean(1, keepdim=True)
        changes += float((change * heads).sum())
        pixels += int(heads.sum())
    scores = {
        f"{name}_psnr": -10 * math.log10(squared / count + 1e-12)
        for name, (squared, _, count) in sums.items()
        if count and name != "features"
    }
    if sums["features"][2]:
        scores["features_error"] = sums["features"][1] / sums["features"][2]
    return {**scores, "jitter": changes / max(1, pixels)}


def _errors(
    lifter: Lifter, triplane: Triplane, turn: Turn
) -> Float[Tensor, "frame view 3 height width"]:
    """Rendered minus true, of images in [0, 1]."""
    count = turn.targets.shape[1]
    cameras = turn.target_camera.to(triplane.planes)
    views = [
        lifter.render(
            triplane.with_planes(triplane.planes[row // count : row // count + 1]),
            cameras[row : row + 1],
        ).image
        for row in range(len(cameras))
    ]
    # The truth has the size of the student's input, which need not be that of its views.
    shown = resized(torch.cat(views).clamp(-1, 1), turn.targets.shape[-1])
    shown = shown.unflatten(0, turn.targets.shape[:2])
    return (shown - turn.targets.to(shown)) / 2


def _add(sums: list[Any], error: Tensor, mask: Bool[Tensor, "frame view 1 height width"]) -> None:
    """Mean over the colours, sum over pixels: squared, absolute, and their number."""
    sums[0] += float((error.square().mean(2, keepdim=True) * mask).sum())
    sums[1] += float((error.abs().mean(2, keepdim=True) * mask).sum())
    sums[2] += int(mask.sum())


class FuserScores(KeptBest):
    """Scores the fuser on held-out films, keeps the best by the hidden side.

    Args:
        films: held out.
        count: of them.
        path: of the best fuser.
        every_steps: between two scores.
    """

    judged_by = "hidden_psnr"

    def __init__(self, films: TurnSource, *, count: int, path: Path, every_steps: int) -> None:
        super().__init__(count=count, path=path, every_steps=every_steps)
        self.films = films
        self._kept: list[Turn] = []

    def scores(self, module: FuserTraining) -> dict[str, float]:
        """`turn_scores` of the films."""
        if not self._kept:
            found = map(self.films, range(self.count))
            self._kept = [turn.to(module.device) for turn in found]
        return turn_scores(self._kept, module.lifter, module.fuser)
