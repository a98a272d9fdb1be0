"""The loop of an evaluation: item by item, method by method, everything is stored, then scored as
it was stored, then noted.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.evaluation.metrics.measures import Measure
from pipeline.evaluation.metrics.scoring import scores_of_stored
from pipeline.evaluation.suites.suite import Item, Suite
from pipeline.runs.files import sha256_of_file, sha256_of_json
from pipeline.runs.json_lines import Line

from .angles import pitch_deg, yaw_deg, yaw_gap_deg
from .answers import Answer
from .asking import Asked, ask
from .foreign import ForeignMethod
from .picture_store import PictureStore, Prediction
from .shard import Shard

MISSING_FILES = "no predicted picture"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A suite, who is asked about it, and what is measured.

    Attributes:
        suite: the items.
        answers: methods that run here.
        foreign: methods that come as files.
        measures: what is measured of each view.
        device: where the methods work.
        seed: of what is random in them.
        checkpoint_sha256: of the student.
    """

    suite: Suite
    answers: Sequence[Answer]
    measures: Sequence[Measure]
    foreign: Sequence[ForeignMethod] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    checkpoint_sha256: str | None = None

    @property
    def methods(self) -> list[str]:
        """Their names, in order."""
        return [
            *(answer.name for answer in self.answers),
            *(method.name for method in self.foreign),
        ]

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
    shard: Shard,
    done: set[tuple[str, str]],
    append: Callable[[list[Line]], None],
) -> None:
    """Asks about this process's items what hasn't been answered before.

    Args:
        task: what is to be done.
        output: where pictures go.
        shard: which items are this process's.
        done: (method, item) pairs that are in the lines already.
        append: keeps the lines of one method and item.
    """
    names = task.item_names
    mine = list(shard.of(len(names)))
    items, warm = task.suite.items(), set[str]()
    for index in tqdm(
        mine,
        desc=f"evaluating {task.suite.name}",
        unit="item",
        mininterval=1,
        disable=None if shard.is_first else True,
    ):
        missing = [method for method in task.methods if (method, names[index]) not in done]
        if missing:
            for lines in answers_about(task, items[index], PictureStore(output), missing, warm):
                append(lines)


def answers_about(
    task: Task, item: Item, store: PictureStore, methods: Sequence[str], warm: set[str]
) -> Iterator[list[Line]]:
    """The lines of each of the methods about one item; `warm` collects who has been run before."""
    given = None
    if item.image is not None:
        store.put_picture(store.picture("input", item.name, 0), item.image.clamp(-1, 1))
        given = store.get_picture(store.picture("input", item.name, 0))[None]
    if item.truth is not None:
        store.put_views("truth", item.name, item.truth)
    for answer in task.answers:
        if answer.name in methods:
            asked = None
            if given is not None:
                first = answer.name not in warm and answer.kind != "inversion"
                asked = ask(
                    answer,
                    item,
                    given,
                    task.suite,
                    device=task.device,
                    seed=task.seed,
                    warm_up=first,
                )
                warm.add(answer.name)
            yield _lines(
                task, item, store, answer.name, None if asked is None else asked.views, asked
            )
    for method in task.foreign:
        if method.name in methods:
            views = method.views(item)
            prediction = (
                None if views is None else Prediction(views.image, views.depth, views.opacity)
            )
            yield _lines(task, item, store, method.name, prediction, None)


def _lines(
    task: Task,
    item: Item,
    store: PictureStore,
    method: str,
    prediction: Prediction | None,
    asked: Asked | None,
) -> list[Line]:
    """One line a view."""
    scores: list[dict[str, Any]] = [{} for _ in range(len(item.targets))]
    if prediction is not None:
        store.put_views(method, item.name, prediction)
        if asked is not None and asked.frontal is not None:
            store.put_picture(store.picture(method, item.name, "frontal"), asked.frontal)
        scores = scores_of_stored(
            store, method, item.name, item.targets, task.measures, task.suite.parts
        )
        _put_errors(store, method, item)
    facts, angles = (
        _facts(item, asked, None if prediction is not None else MISSING_FILES),
        _angles(item),
    )
    own = {} if asked is None else asked.own_scores
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


def _facts(item: Item, asked: Asked | None, missing: str | None) -> dict[str, Any]:
    notes = [item.note, *(asked.notes if asked is not None else ()), missing or ""]
    return {
        "subject": item.subject or item.name,
        "group": item.group,
        "sequence": item.sequence,
        "face_found": item.face_found,
        "note": "; ".join(filter(None, notes)) or None,
        "seconds": None if asked is None else round(asked.seconds, 6),
        "render_seconds": None if asked is None else round(asked.render_seconds, 6),
        "peak_memory_mib": None if asked is None else asked.peak_memory_mib,
    }


def _angles(item: Item) -> dict[str, list[Any]]:
    """From where, by name one value a view; `camera` is EG3D's label of the target."""
    count = len(item.targets)
    values = {
        "given_yaw_deg": yaw_deg(item.camera).expand(count)
        if item.camera is not None
        else torch.full((count,), math.nan),
        "yaw_deg": yaw_deg(item.targets),
        "pitch_deg": pitch_deg(item.targets),
        "gap_deg": torch.full((count,), math.nan)
        if item.gap_from is None
        else yaw_gap_deg(item.gap_from, item.targets),
    }
    rounded: dict[str, list[Any]] = {
        name: [round(angle, 5) for angle in angles.tolist()] for name, angles in values.items()
    }
    return {**rounded, "camera": item.targets.label().tolist()}


def _files(task: Task, store: PictureStore, method: str, item: str, view: int) -> dict[str, Any]:
    listed = {
        "input": store.picture("input", item, 0),
        "prediction": store.picture(method, item, view),
        "truth": store.picture("truth", item, view),
        "error": store.picture(method, item, f"{view}_error"),
        "depth": store.depth(method, item, view),
        "true_depth": store.depth("truth", item, view),
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
    if item.truth is None:
        return
    for view in range(len(item.targets)):
        prediction, truth = (
            store.get_picture(store.picture(owner, item.name, view)) for owner in (method, "truth")
        )
        store.put_error(store.picture(method, item.name, f"{view}_error"), prediction, truth)
