"""The protocol of a benchmark: items in a fixed order, and hooks for what is particular to it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.items import Item, Observation
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.metrics.metric import Metric
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera


class Suite(ABC):
    """A benchmark. Built by `instantiate(config.suite, context=…)`.

    The engine lifts each item with each method, renders the target views, stores the images, and
    scores what it stored. A suite implements the abstract methods; the hooks below default to an
    ordinary suite.
    """

    name: str

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides the scores (no cache folders). It must be the same when an
        evaluation is continued.
        """

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """The suite's contents: `items`, a list in the order of `items()` with `name`, `views`
        (number of targets) and what identifies each (file, sha256); beside it what holds for all:
        licence, split, crop recipe, cameras.

        Cheap: it is made before anything is rendered or decoded.
        """

    @abstractmethod
    def items(self) -> Sequence[Item]:
        """As many as the manifest lists; each is loaded when it is indexed, and not kept."""

    @property
    def gaps_deg(self) -> Sequence[int | float]:
        """Edges of the bins of yaw gaps by which scores are reported."""
        return (0.0, 15.0, 30.0, 45.0, 60.0)

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """Names of parts → their numbers in `ItemViews.part`."""
        return {}

    def targets(self, item: Item, portrait: LiftedPortrait) -> Camera:
        """The target cameras in the frame of one lift; other than the item's where frames have to
        be aligned.
        """
        return item.targets

    def adjusted(self, item: Item, prediction: Observation) -> Observation:
        """The prediction as it is stored and scored: a hook for 2D alignment."""
        return prediction

    def own_metrics(self) -> Mapping[str, Metric]:
        """Names and descriptions of what `own_scores` measures."""
        return {}

    def own_scores(
        self, item: Item, method: MethodEntry, portrait: LiftedPortrait, prediction: Observation
    ) -> Mapping[str, Sequence[float]]:
        """Scores that need the lift itself (cycle consistency): by metric one number for each
        view, NaN for none.
        """
        return {}

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Tables of the whole suite for `extras` of the results, made once by the first process:
        by name {"title", "table": {"columns", "rows"}, "notes"}.
        """
        return {}

    def results_table(self, results: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """A table about the finished results, with its name in `extras`; None: none."""
        return None
