"""What an evaluation asks about: a suite gives items, each a picture to lift and cameras to look
through, with what is true.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from pipeline.evaluation.answers import Answer
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.metrics.picture_scores import SOLID, Observation
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.sampling.source import Sampler
from teachers.passport import Passport
from teachers.rendering.camera import Camera

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
"""Of items and groups: they become names of files, in which `_` separates an item from its view."""


@dataclass(frozen=True)
class Truth:
    """What cameras see, as far as it is known: the truth, or a prediction that was read back. Views
    lie one after another.

    Attributes:
        image: pictures in [-1, 1].
        depth: distance from the camera centre, world units.
        opacity: in [0, 1]; above 1/2 a pixel shows the subject.
        normal: unit normals in world space, 0 where there is no surface.
        part: a number for each pixel; `Suite.parts` says which numbers make which part.
    """

    image: Float[Tensor, "view 3 height width"]
    depth: Float[Tensor, "view 1 height width"] | None = None
    opacity: Float[Tensor, "view 1 height width"] | None = None
    normal: Float[Tensor, "view 3 height width"] | None = None
    part: Integer[Tensor, "view 1 height width"] | None = None

    def __len__(self) -> int:
        return len(self.image)

    @property
    def solid(self) -> Bool[Tensor, "view 1 height width"] | None:
        """Where the subject is."""
        return None if self.opacity is None else self.opacity > SOLID


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture that is to be lifted, and what is compared.

    Attributes:
        name: unique in its suite, of letters, digits, `.` and `-`.
        image: what a method is given, square, in [-1, 1], of any size (it is brought to the
            method's); None where a file couldn't be read: such an item stays in the denominator,
            with its note.
        targets: what is looked through, one camera a view; view 0 is usually that of the given
            picture.
        subject: whom it shows; the views of one subject are resampled together. Empty: the item's
            own name.
        group: by which scores are told apart (a skin tone), or none.
        camera: what took the given picture; None if nobody knows.
        truth: a row a target; None where there is none.
        face_found: whether a detector saw a face (true where nothing had to be detected).
        note: anything that a reader of the scores should know.
        sequence: of which film it is a frame, in the order of items; for jitter.
        first_is_given: the first target took the given picture, though nobody knows where that is
            in the teacher's world: yaw gaps are counted from it.
    """

    name: str
    image: Float[Tensor, "3 height width"] | None
    targets: Camera
    subject: str = ""
    group: str | None = None
    camera: Camera | None = None
    truth: Truth | None = None
    face_found: bool = True
    note: str = ""
    sequence: str | None = None
    first_is_given: bool = False

    @property
    def gap_from(self) -> Camera | None:
        """From where yaw gaps are counted, in the frame of the targets; None if nobody knows."""
        return self.targets[:1] if self.camera is None and self.first_is_given else self.camera

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"the item {self.name!r} can't name files: use letters, digits, . and -, and begin"
                " with a letter or digit"
            )
        if self.truth is not None and len(self.truth) != len(self.targets):
            raise ValueError(
                f"item {self.name} has {len(self.targets)} target cameras and {len(self.truth)}"
                " true pictures: give one each"
            )


@dataclass(frozen=True)
class SuiteContext:
    """What a suite may know of the student that is evaluated; every suite's constructor takes it as
    `context`.

    Attributes:
        passport: of the student's teacher: its cameras, its background, its resolution.
        sampler: draws identities of that teacher; None where no teacher is at hand.
        image_size: side of the pictures that the student is given.
        device: where a teacher should draw.
        weights: folder of published networks.
    """

    passport: Passport
    sampler: Sampler | None = None
    image_size: int = 256
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    weights: Path = Path("weights")


class Suite(ABC):
    """Items in a fixed order, and the protocol that is particular to them. Built by
    `instantiate(config.suite, context=…)`.

    The engine lifts each item with each method, looks through the targets, stores the pictures,
    scores what it stored. What is abstract must be given; the hooks below have the answers of an
    ordinary suite.
    """

    name: str

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that decides what is measured (no cache folders); a resumed evaluation must
        have the same.
        """

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """What the suite consists of: `items`, a list in the order of `items()` with `name` and
        `views` (how many targets) of each and what identifies it (file, sha256), and beside it what
        holds for all: licence, split, crop recipe, cameras.

        Cheap: it is made before anything is rendered or decoded.
        """

    @abstractmethod
    def items(self) -> Sequence[Item]:
        """As many as the manifest has; each is loaded when it is asked for by its index, and not
        kept.
        """

    @property
    def gaps_deg(self) -> Sequence[int | float]:
        """Edges of the yaw gaps by which scores are told apart."""
        return (0.0, 15.0, 30.0, 45.0, 60.0)

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """Names of parts → the numbers in `Truth.part` that make them."""
        return {}

    def targets(self, item: Item, portrait: LiftedPortrait) -> Camera:
        """The cameras through which one answer is looked at; another than the item's where frames
        have to be aligned.
        """
        return item.targets

    def adjusted(self, item: Item, prediction: Observation) -> Observation:
        """The predictions as they are stored and compared: here for a 2D alignment."""
        return prediction

    def own_metrics(self) -> Mapping[str, Metric]:
        """Names and descriptions of what `own_scores` measures."""
        return {}

    def own_scores(
        self, item: Item, answer: Answer, portrait: LiftedPortrait, prediction: Observation
    ) -> Mapping[str, Sequence[float]]:
        """What only this suite measures of an answer (cycle consistency): by metric one number a
        view, NaN for nothing.
        """
        return {}

    def extras(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Tables of the whole suite for `extras` of the results, made once by the first process: by
        name {"title", "table": {"columns", "rows"}, "notes"}.
        """
        return {}
