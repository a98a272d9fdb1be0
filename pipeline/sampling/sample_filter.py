"""Limits on a view of an identity, and counts of what they reject."""

import logging
from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.batch import View
from teachers.eg3d.discriminator import Discriminator, RenderingInput
from teachers.passport import Passport

log = logging.getLogger(__name__)

MARGINS = {"opacity": 1e-3, "depth": 1e-3, "relief": 1e-3, "score": 2e-2}
"""A row nearer to a limit than this, relative to the limit where that exceeds 1, is measured alone:
far above the rounding by which batches differ.
"""


class SampleFilter:
    """Limits on what a view of an identity may measure. Each is (lowest, highest), either end may
    be None; without limits all pass.

    Args:
        opacity: mean opacity of the picture, in [0, 1]: excludes empty and foggy volumes. (Only
            useful for teachers whose background is no part of the volume.)
        depth: mean depth, weighted by opacity, minus the camera's distance from the origin, world
            units: negative is nearer.
        relief: standard deviation of the depth, weighted by opacity, world units: small for an
            identity as flat as a poster, large for one with pieces that float before the camera.
        score: the discriminator's logit, positive for real. The picture is judged alone: minibatch
            statistics are those of a group of one, which lowers all scores alike, so choose the
            limit from the distribution in `report`.
        discriminator: that goes with the teacher, needed for `score`; its own from here on.
        view: which view is judged: "novel" (the teacher's own intrinsics, so that the discriminator
            knows such cameras) or "reference" (the student's input). It should be drawn at full
            size where there is a `score`.
        attempts: how often a sample is drawn at most; the last attempt is taken unconditionally.
    """

    def __init__(
        self,
        *,
        opacity: Sequence[float | None] | None = None,
        depth: Sequence[float | None] | None = None,
        relief: Sequence[float | None] | None = None,
        score: Sequence[float | None] | None = None,
        discriminator: Discriminator | None = None,
        view: str = "novel",
        attempts: int = 8,
    ) -> None:
        if view not in ("reference", "novel"):
            raise ValueError(f"the view to be judged is {view!r}: use novel or reference")
        if attempts < 1:
            raise ValueError(f"attempts is {attempts}: a sample is drawn at least once")
        if score is not None and discriminator is None:
            raise ValueError(
                "a limit on the score needs the teacher's discriminator: give discriminator, or"
                " score=null"
            )
        given = {"opacity": opacity, "depth": depth, "relief": relief, "score": score}
        self.limits = {
            name: _limits(name, limits) for name, limits in given.items() if limits is not None
        }
        self.view, self.attempts = view, attempts
        self.discriminator = None if discriminator is None else _judging_alone(discriminator)
        self.shown: RenderingInput | None = None
        self.counts = FilterCounts(tuple(self.limits))

    def attach(self, passport: Passport) -> None:
        """Prepares the discriminator for a teacher's renderings; the sampler calls it.

        Raises:
            ValueError: the discriminator is another teacher's.
        """
        if self.discriminator is not None:
            self.shown = RenderingInput(passport, self.discriminator)

    def to(self, device: torch.device) -> None:
        """Moves the discriminator."""
        if self.discriminator is not None:
            self.discriminator.to(device)

    def measure(self, view: View) -> dict[str, Float[Tensor, " batch"]]:
        """The limited quantities of each picture, by name, on the host."""
        rendering, camera = view.rendering, view.camera
        opacity, depth = (
            rendering.opacity,
            rendering.depth - camera.cam_to_world[:, :3, 3].norm(dim=1)[:, None, None, None],
        )
        weight = opacity / opacity.sum((1, 2, 3), keepdim=True).clamp(min=1e-6)
        mean = (weight * depth).sum((1, 2, 3))
        measured = {
            "opacity": opacity.mean((1, 2, 3)),
            "depth": mean,
            "relief": (weight * (depth - mean[:, None, None, None]).square()).sum((1, 2, 3)).sqrt(),
        }
        if "score" in self.limits:
            assert self.discriminator is not None and self.shown is not None, "attach() comes first"
            measured["score"] = self.discriminator(self.shown(rendering), camera.label())[:, 0]
        return {name: measured[name].float().cpu() for name in self.limits}

    def broken_limits(self, values: dict[str, float]) -> list[str]:
        """The names of the limits that a picture breaks; NaN breaks every limit."""
        return [
            name
            for name, value in values.items()
            if not self.limits[name][0] <= value <= self.limits[name][1]
        ]

    def is_close(self, values: dict[str, float]) -> bool:
        """Whether a value is so near a limit that the rounding of a batch could decide."""
        return any(
            abs(value - limit) <= MARGINS[name] * max(1.0, abs(limit))
            for name, value in values.items()
            for limit in self.limits[name]
            if abs(limit) != float("inf")
        )

    def fresh(self) -> "SampleFilter":
        """The same limits, with counts of its own; the discriminator is shared."""
        other = SampleFilter(view=self.view, attempts=self.attempts)
        other.limits, other.discriminator, other.shown = self.limits, self.discriminator, self.shown
        other.counts = FilterCounts(tuple(self.limits))
        return other


class FilterCounts:
    """Counts of one filter in this process.

    Attributes:
        taken: samples that were returned.
        exhausted: of these, samples whose last attempt failed, too.
        judged: attempts.
        rejected: attempts that failed.
        reasons: how many failed by each limit; an attempt may fail by several.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.taken = self.exhausted = self.judged = self.rejected = 0
        self.reasons: Counter[str] = Counter()
        self._values: dict[str, list[float]] = {
            name: [0.0, 0.0, float("inf"), -float("inf")] for name in names
        }

    def add(self, values: dict[str, float], reasons: Sequence[str]) -> None:
        """One attempt: what it measured, and which limits it broke."""
        self.judged += 1
        self.rejected += bool(reasons)
        self.reasons.update(reasons)
        for name, value in values.items():
            total, squares, lowest, highest = self._values[name]
            self._values[name] = [
                total + value,
                squares + value**2,
                min(lowest, value),
                max(highest, value),
            ]

    def finish(self, *, taken: int, exhausted: Sequence[int]) -> None:
        """Counts a batch that is returned; warns at the first exhausted sample."""
        if exhausted and not self.exhausted:
            log.warning(
                "sample %d failed all its attempts and is taken as it is; %s",
                exhausted[0],
                self.report(),
            )
        self.taken += taken
        self.exhausted += len(exhausted)

    def shares(self) -> dict[str, float]:
        """Numbers for a training log: shares of the attempts that were rejected, in all and by
        limit; of samples exhausted.
        """
        judged = max(self.judged, 1)
        by_limit = {f"filter/rejected_{name}": self.reasons[name] / judged for name in self._values}
        return {
            "filter/rejected": self.rejected / judged,
            **by_limit,
            "filter/exhausted": self.exhausted / max(self.taken, 1),
        }

    def report(self) -> str:
        """A sentence: how many were rejected, by which limits, and the measured range."""
        judged = max(self.judged, 1)
        parts = []
        for name, (total, squares, lowest, highest) in self._values.items():
            mean = total / judged
            deviation = max(0.0, squares / judged - mean**2) ** 0.5
            parts.append(
                f"{name} {self.reasons[name]} (measured {mean:.3g} ± {deviation:.2g}, {lowest:.3g}"
                f" to {highest:.3g})"
            )
        reasons = ", ".join(parts) or "no limits"
        return (
            f"the filter rejected {self.rejected} of {self.judged} drawn identities"
            f" ({self.rejected / judged:.1%}) by {reasons}; {self.exhausted} of {self.taken}"
            " samples kept their last attempt all the same"
        )


def _limits(name: str, limits: Sequence[float | None]) -> tuple[float, float]:
    if len(limits) != 2:
        raise ValueError(f"{name} is {list(limits)}: give [lowest, highest], null for none")
    low, high = (limit if limit is None else float(limit) for limit in limits)
    if low is not None and high is not None and low > high:
        raise ValueError(f"{name} is [{low}, {high}]: nothing is above the one and below the other")
    return (-float("inf") if low is None else low, float("inf") if high is None else high)


def _judging_alone(discriminator: Discriminator) -> Discriminator:
    """Frozen, with each picture a statistics group of its own: no picture's score depends on the
    others.
    """
    discriminator.b4.group = 1
    return discriminator.eval().requires_grad_(False)
