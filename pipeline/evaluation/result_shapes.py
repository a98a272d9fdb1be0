"""The shapes of results.json and of score lines, for files that somebody edited or damaged."""

from typing import Any, NotRequired, TypedDict

from pipeline.portraits.cameras.labels import Label
from pipeline.runs.json_lines import Line, with_nulls
from teachers.plain_values import is_number, misfit, require_shape, shown

Number = float | None

HASHED = ("input", "prediction", "truth", "depth", "true_depth")
"""Kinds of files of which a score line has the hash."""


class _Mean(TypedDict):
    mean: Number
    low: NotRequired[Number]
    high: NotRequired[Number]
    identities: NotRequired[int]
    pictures: NotRequired[int]
    references: NotRequired[int]


_Means = dict[str, _Mean | None]


class _Gap(TypedDict):
    title: str
    from_deg: float
    to_deg: Number


class _Scores(TypedDict):
    all: _Means
    found: NotRequired[_Means | None]
    by_yaw_gap: NotRequired[list[_Gap]]
    by_part: NotRequired[dict[str, _Means]]
    by_group: NotRequired[dict[str, _Means]]


class _Method(TypedDict):
    title: str
    kind: NotRequired[str]
    notes: NotRequired[list[str]]
    seconds: NotRequired[Number]
    render_seconds: NotRequired[Number]
    peak_memory_mib: NotRequired[Number]


class _Weights(TypedDict):
    file: str
    sha256: str


_Metric = TypedDict(
    "_Metric",
    {
        "title": str,
        "unit": str,
        "more_is_better": bool,
        "is": str,
        "digits": int,
        "weights": NotRequired[_Weights | None],
    },
)


class _Comparison(TypedDict):
    first: str
    second: str
    metric: str
    difference: NotRequired[Number]
    low: NotRequired[Number]
    high: NotRequired[Number]
    wins: NotRequired[int]
    losses: NotRequired[int]
    ties: NotRequired[int]
    identities: NotRequired[int]
    pictures: NotRequired[int]


class _Unavailable(TypedDict):
    metric: str
    why: str


class _Counted(TypedDict):
    items: int
    faces_found: int
    missing_predictions: dict[str, int]


class _Checkpoint(TypedDict):
    path: NotRequired[str | None]
    sha256: NotRequired[str | None]
    step: NotRequired[int | None]
    encoder_parameters: NotRequired[int | None]
    teacher: NotRequired[str | None]
    teacher_hash: NotRequired[str | None]


class _Part(TypedDict):
    _target_: str


class _Measures(TypedDict):
    settings: dict[str, dict[str, Any] | None]
    pose_estimator: _Part | None


class _Hardware(TypedDict):
    processor: NotRequired[str | None]
    gpu: NotRequired[str | None]
    cores: NotRequired[int | None]
    threads: NotRequired[int | None]
    memory_gib: NotRequired[Number]


class _Run(TypedDict):
    command: NotRequired[str | None]
    date: NotRequired[str | None]
    seconds: NotRequired[Number]
    peak_memory_gib: NotRequired[Number]
    hardware: NotRequired[_Hardware | None]
    versions: NotRequired[dict[str, str | None] | None]


class _Extra(TypedDict):
    title: str
    table: dict[str, Any]
    notes: list[str]


class _Results(TypedDict):
    suite: str
    methods: dict[str, _Method]
    metrics: dict[str, _Metric]
    scores: dict[str, _Scores]
    run: _Run
    title: NotRequired[str | None]
    settings: NotRequired[dict[str, Any]]
    measures: NotRequired[_Measures]
    manifest_sha256: NotRequired[str]
    checkpoint: NotRequired[_Checkpoint | None]
    gaps_deg: NotRequired[list[float]]
    parts: NotRequired[dict[str, list[int]]]
    unavailable: NotRequired[list[_Unavailable]]
    counted: NotRequired[_Counted]
    comparisons: NotRequired[list[_Comparison]]
    extras: NotRequired[dict[str, _Extra]]


class _Line(TypedDict):
    method: str
    item: str
    view: int
    subject: NotRequired[str]
    group: NotRequired[str | None]
    sequence: NotRequired[str | None]
    note: NotRequired[str | None]
    method_notes: NotRequired[list[str]]
    face_found: NotRequired[bool]
    camera: Label
    files: dict[str, str | None]
    parts: NotRequired[dict[str, dict[str, Number]]]


def require_results(results: dict[str, Any], source: str, advice: str) -> None:
    """Raises ValueError with the first value of results.json that isn't of its kind; numbers that
    aren't finite, which earlier versions wrote, count as missing ones.
    """
    plain = with_nulls(results)
    if isinstance(plain.get("run"), dict) and isinstance(plain["run"].get("hardware"), str):
        del plain["run"]["hardware"]  # a sentence in those of earlier versions
    if misfit(plain, _Results):
        require_shape(results, _Results, source, advice)  # shows NaN where that is what came
    for name, scores in plain["scores"].items():
        for gap in scores.get("by_yaw_gap", []):
            means = {key: value for key, value in gap.items() if key not in _Gap.__annotations__}
            require_shape(means, _Means, f"{source}: scores.{name}.by_yaw_gap", advice)


def require_line(line: Line, source: str, advice: str) -> None:
    """The same for a score line, of which every further value is a number, a hash or null; hashes
    stand beside files.
    """
    plain = with_nulls(line)
    if misfit(plain, _Line):
        require_shape(line, _Line, source, advice)
    for key, value in plain.items():
        if key in _Line.__annotations__ or value is None:
            continue
        if key.endswith("_sha256"):
            if not isinstance(value, str):
                raise ValueError(f"{source}: {key} is {shown(value)}: expected a text: {advice}")
        elif not is_number(value):
            raise ValueError(f"{source}: {key} is {shown(value)}: expected a number: {advice}")
    for kind in HASHED:
        file, sha256 = plain["files"].get(kind), plain.get(f"{kind}_sha256")
        if (file is None) != (sha256 is None):
            raise ValueError(
                f"{source}: files.{kind} is {shown(file)} and {kind}_sha256 {shown(sha256)}:"
                f" expected a file with its hash, or neither: {advice}"
            )
