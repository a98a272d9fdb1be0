"""The loop of an evaluation: item by item, method by method, predictions are stored, then scored
from the stored files.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.evaluation.metrics.scoring import scores_of_stored
from pipeline.evaluation.metrics.view_metrics import ViewMetric
from pipeline.evaluation.suites.suite import Suite
from pipeline.runs.files import sha256_of_file, sha256_of_json
from pipeline.runs.json_lines import Line

from .angles import pitch_deg, yaw_deg, yaw_gap_deg
from .foreign import ForeignMethod
from .items import Item
from .lifting import LiftedItem, lift_item
from .methods import MethodEntry
from .picture_store import REFERENCE, PictureStore, Prediction
from .work_share import WorkShare

MISSING_FILES = "no predicted image"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A suite, the methods that are evaluated on it, and the metrics.

    Attributes:
        suite: the items.
        methods: those that run here.
        foreign: those that come as files.
        metrics: of single views.
        device: of the methods.
        seed: of their random numbers.
        checkpoint_sha256: of the student.
    """

    suite: Suite
    methods: Sequence[MethodEntry]
    metrics: Sequence[ViewMetric]
    foreign: Sequence[ForeignMethod] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    checkpoint_sha256: str | None = None

    @property
    def method_names(self) -> list[str]:
        """Of all methods, in order."""
        return [*(one.name for one in self.methods), *(one.name for one in self.foreign)]

    @property
    def item_names(self) -> list[str]:
        """Of the manifest, in order."""
        return [entry["name"] for entry in self.manifest["items"]]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Of the suite."""
        return self.suite.manifest()

    @property
    def manifest_sha256(self) -> str:
        """Of the manifest as JSON with sorted keys."""
        return sha256_of_json(self.manifest)


def run_task(
    task: Task,
    output: Path,
    *,
    share: WorkShare,
    done: set[tuple[str, str]],
    append: Callable[[list[Line]], None],
) -> None:
    """Evaluates what is missing of this process's items.

    Args:
        task: what is evaluated.
        output: folder of the images.
        share: the items of this process.
        done: (method, item) pairs that have been scored already.
        append: stores the lines of one method and item.
    """
    names = task.item_names
    items, warm = task.suite.items(), set[str]()
    for index in tqdm(
        list(share.of(len(names))),
        desc=f"evaluating {task.suite.name}",
        unit="item",
        mininterval=1,
        disable=None if share.is_first else True,
    ):
        missing = [method for method in task.method_names if (method, names[index]) not in done]
        if missing:
            for lines in evaluate_item(task, items[index], PictureStore(output), missing, warm):
                append(lines)


def evaluate_item(
    task: Task, item: Item, store: PictureStore, names: Sequence[str], warm: set[str]
) -> Iterator[list[Line]]:
    """The lines of each method in `names` for one item; `warm` collects methods that have run."""
    given = None
    if item.image is not None:
        store.put_picture(store.picture("input", item.name, 0), item.image.clamp(-1, 1))
        given = store.get_picture(store.picture("input", item.name, 0))[None]
    if item.reference is not None:
        store.put_views(REFERENCE, item.name, item.reference)
    for method in task.methods:
        if method.name not in names:
            continue
        lifted = None
        if given is not None:
            lifted = lift_item(
                method,
                item,
                given,
                task.suite,
                device=task.device,
                seed=task.seed,
                # An inversion takes minutes: the first kernels don't matter.
                warm_up=method.name not in warm and method.kind != "inversion",
            )
            warm.add(method.name)
        prediction = None if lifted is None else lifted.views
        lines = _lines(task, item, store, method.name, prediction, lifted)
        yield [{**line, "method_notes": list(method.notes)} for line in lines]
    for foreign in task.foreign:
        if foreign.name in names:
            views = foreign.views(item)
            prediction = (
                None if views is None else Prediction(views.image, views.depth, views.opacity)
            )
            yield _lines(task, item, store, foreign.name, prediction, None)


def _lines(
    task: Task,
    item: Item,
    store: PictureStore,
    method: str,
    prediction: Prediction | None,
    lifted: LiftedItem | None,
) -> list[Line]:
    """One line for each view."""
    scores: list[dict[str, Any]] = [{} for _ in range(len(item.targets))]
    if prediction is not None:
        store.put_views(method, item.name, prediction)
        if lifted is not None and lifted.frontal is not None:
            store.put_picture(store.picture(method, item.name, "frontal"), lifted.frontal)
        scores = scores_of_stored(
            store, method, item.name, item.targets, task.metrics, task.suite.parts
        )
        _put_errors(store, method, item)
    facts = _facts(item, lifted, None if prediction is not None else MISSING_FILES)
    angles = _angles(item)
    own = {} if lifted is None else lifted.own_scores
    return [
        {
            "method": method,
            "item": item.name,
            "view": view,
            **facts,
            **{name: values[view] for name, values in angles.items()},
            **scores[view],
            **{name: values[view] for name, values in own.items()},
            **_files(task, store, method, item.name, view),
        }
        for view in range(len(item.targets))
    ]


def _facts(item: Item, lifted: LiftedItem | None, missing: str | None) -> dict[str, Any]:
    notes = [item.note, *(lifted.notes if lifted is not None else ()), missing or ""]
    return {
        "subject": item.subject or item.name,
        "group": item.group,
        "sequence": item.sequence,
        "face_found": item.face_found,
        "note": "; ".join(filter(None, notes)) or None,
        "seconds": None if lifted is None else round(lifted.seconds, 6),
        "render_seconds": None if lifted is None else round(lifted.render_seconds, 6),
        "peak_memory_mib": None if lifted is None else lifted.peak_memory_mib,
    }


def _angles(item: Item) -> dict[str, list[Any]]:
    """By name one value for each view; `camera` is EG3D's label of the target."""
    unknown = torch.full((len(item.targets),), math.nan)
    values = {
        "given_yaw_deg": unknown
        if item.camera is None
        else yaw_deg(item.camera).expand_as(unknown),
        "yaw_deg": yaw_deg(item.targets),
        "pitch_deg": pitch_deg(item.targets),
        "gap_deg": unknown if item.gap_from is None else yaw_gap_deg(item.gap_from, item.targets),
    }
    rounded: dict[str, list[Any]] = {
        name: [round(angle, 5) for angle in angles.tolist()] for name, angles in values.items()
    }
    return {**rounded, "camera": item.targets.label().tolist()}


def _files(task: Task, store: PictureStore, method: str, item: str, view: int) -> dict[str, Any]:
    listed = {
        "input": store.picture("input", item, 0),
        "prediction": store.picture(method, item, view),
        "truth": store.picture(REFERENCE, item, view),
        "error": store.picture(method, item, f"{view}_error"),
        "depth": store.depth(method, item, view),
        "true_depth": store.depth(REFERENCE, item, view),
        "frontal": store.picture(method, item, "frontal"),
    }
    files = {
        kind: path if (store.folder / path).is_file() else None for kind, path in listed.items()
    }
    hashed = ("input", "prediction", "truth", "depth", "true_depth")
    hashes = {
        f"{kind}_sha256": None
        if files[kind] is None
        else sha256_of_file(store.folder / str(files[kind]))
        for kind in hashed
    }
    return {**hashes, "checkpoint_sha256": task.checkpoint_sha256, "files": files}


def _put_errors(store: PictureStore, method: str, item: Item) -> None:
    if item.reference is None:
        return
    for view in range(len(item.targets)):
        prediction, reference = (
            store.get_picture(store.picture(owner, item.name, view))
            for owner in (method, REFERENCE)
        )
        store.put_error(store.picture(method, item.name, f"{view}_error"), prediction, reference)
