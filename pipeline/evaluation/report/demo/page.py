"""One self-contained page: heads that turn, a distillation as it goes on, scores, the commands."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.runs.curves import Curve, smoothed
from pipeline.runs.durations import duration

from ..charts import Line, gap_charts, line_chart
from ..images import data_uri, encode, opened
from ..maps import depth_map, error_map
from ..numbers import counted, number
from ..page import rendered
from ..provenance import machine, versions
from ..results_folder import Results, image_file, mean_of
from ..score_tables import headline_table
from .lifts import PITCHES_DEG, YAWS_DEG, Photograph
from .progress import Progress

METRICS = ("psnr", "psnr_foreground", "ssim", "depth", "depth_aligned", "mask_iou")
"""Of an evaluation, in the page's table."""

HEADLINE = "psnr_foreground"
SHOWN = 4
"""Identities in the table of images."""

SIDE = 128
"""Largest side of an image in that table, in pixels."""

MIME = {".png": "image/png", ".jpg": "image/jpeg"}

REFRESH_S = 20
"""How often a page whose story goes on is read again by the browser."""


@dataclass(frozen=True)
class Goal:
    """The end of the road: what a bundled student reaches on the held-out identities of the
    distillation.

    Attributes:
        student: its name.
        steps: of its last training; those before it aren't known to the checkpoint.
        psnr: of the novel view, dB.
    """

    student: str
    steps: int
    psnr: float


@dataclass(frozen=True, kw_only=True)
class Story:
    """The content of the page, at any time of the demo.

    Attributes:
        photographs: that were lifted.
        goal: None where no bundled student knows the teacher's planes.
        progress: of the distillation; None before it.
        curves: of the distillation, by name.
        preview: its latest sheet; None: there is none yet.
        is_running: the page will be written again.
        results: of `trilift evaluate`, at the end.
        commands: what was run, as it can be typed, and the seconds that it took.
        continuation: the command that continues a distillation that ended early.
        peak_memory_gib: of the largest process.
    """

    photographs: Sequence[Photograph]
    goal: Goal | None = None
    progress: Progress | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    preview: Path | None = None
    is_running: bool = False
    results: Results | None = None
    commands: Sequence[tuple[str, float]] = ()
    continuation: str = ""
    peak_memory_gib: float = 0.0


def demo_page(story: Story) -> str:
    """The page as HTML; nothing in it points outside itself."""
    return rendered(
        "demo.html",
        story=story,
        refresh_s=REFRESH_S if story.is_running else None,
        facts=_facts(story),
        columns=len(YAWS_DEG),
        rows=len(PITCHES_DEG),
        curves=_curves(story),
        judged=_judged(story),
        inline=inline,
        duration=duration,
    )


def _judged(story: Story) -> dict[str, Any] | None:
    """What the evaluation adds; None before it."""
    if story.results is None:
        return None
    summary = story.results.summary
    chosen = {name: about for name, about in summary["metrics"].items() if name in METRICS}
    results = replace(story.results, summary={**summary, "metrics": chosen})
    _, images, _ = results.count()
    first = mean_of(results.means("student"), HEADLINE)
    return {
        "verdict": verdict(results),
        "count": (
            f"{counted(first['identities'], 'identity', 'identities')},"
            f" {counted(first['pictures'], 'new view')}"
            if first
            else counted(images, "image")
        ),
        "scores": headline_table(results),
        "main": results.methods[results.main_method]["title"],
        "image_rows": image_rows(results),
        "gap_chart": next(iter(gap_charts(results)), None),
        "making": _making(story, results),
    }


def inline(path: Path) -> str:
    """A file as a data URI.

    Raises:
        ValueError: its type isn't an image for browsers.
    """
    if path.suffix.lower() not in MIME:
        raise ValueError(f"{path} can't be put on a page: use one of {', '.join(MIME)}")
    content = base64.b64encode(path.read_bytes()).decode()
    return f"data:{MIME[path.suffix.lower()]};base64,{content}"


def verdict(results: Results) -> str:
    """The scores in words: untrained, trained, the mean head, the teacher's own identities. What
    wasn't evaluated is left out; "" without the student.
    """
    values = {
        name: mean["mean"]
        for name in results.methods
        if (mean := mean_of(results.means(name), HEADLINE)) is not None
    }
    before, after = values.get("untrained"), values.get("student")
    if after is None:
        return ""
    if before is not None and after <= before:
        return (
            f"Distillation did not help: {before:.1f} dB before, {after:.1f} dB after. It was far"
            " too short, or something is wrong."
        )
    gain = (
        f"After distillation the PSNR of unseen views is {after:.1f} dB"
        if before is None
        else f"Distillation raised the PSNR of unseen views from {before:.1f} to {after:.1f} dB"
    )
    ceiling = (
        f" On identities of its own teacher the student reaches {values['ceiling']:.1f} dB."
        if "ceiling" in values
        else ""
    )
    mean_heads = [values[name] for name in ("mean_planes", "mean_latent") if name in values]
    if not mean_heads:
        return f"{gain}.{ceiling}"
    mean_head = max(mean_heads)
    if after <= mean_head:
        return (
            f"{gain}. The same mean head for every input reaches {mean_head:.1f} dB: more steps are"
            " needed."
        )
    factor = 10 ** ((after - mean_head) / 10)
    return (
        f"{gain}. The same mean head for every input reaches {mean_head:.1f} dB: the student's"
        f" squared error is {factor:.1f} times smaller.{ceiling}"
    )


def image_rows(results: Results, identities: int = SHOWN) -> dict[str, Any]:
    """A table of images: a near and a far view of each of the first identities.

    Returns:
        `columns`: titles; `rows`: a label and the images' data URIs, None where there is none.
    """
    student = results.rows_of("student")
    items = list(dict.fromkeys(row["item"] for row in student))[:identities]
    # An untrained student draws next to nothing: its column would be blank.
    shown = {name: about for name, about in results.methods.items() if name != "untrained"}
    competing = [name for name in shown if shown[name].get("kind") != "ceiling"]
    by_place = {(row["method"], row["item"], row["view"]): row for row in results.rows}
    rows = []
    for item in items:
        new = [row for row in student if row["item"] == item and (row["gap_deg"] or 0) > 0]
        new.sort(key=lambda row: row["gap_deg"])
        for row in {id(row): row for row in (*new[:1], *new[-1:])}.values():
            others = [by_place.get((name, item, row["view"])) for name in competing]
            predictions = [other and image_file(other, "prediction") for other in others]
            files = [image_file(row, "input"), image_file(row, "truth"), *predictions]
            pictures = [path and opened(path) for path in files]
            pictures.append(files[1] and files[2] and error_map(files[2], files[1]))
            depth, scale = image_file(row, "depth"), image_file(row, "true_depth")
            pictures += [path and depth_map(path, scale or path) for path in (scale, depth)]
            label = [
                item,
                f"input {_degrees(row['given_yaw_deg'])}, view {_degrees(row['yaw_deg'])}",
                f"{number(row.get(HEADLINE), 1)} dB",
            ]
            rows.append((label, [p and data_uri(encode(p, SIDE, 100)) for p in pictures]))
    titles = [results.methods[name]["title"] for name in competing]
    columns = ["input", "reference", *titles, "error", "reference depth", "depth"]
    return {"columns": columns, "rows": rows}


def _degrees(angle: float | int | None) -> str:
    return f"{number(angle, 0, signed=True)}°"


def _facts(story: Story) -> list[tuple[str, str]]:
    """What is known so far."""
    progress, results = story.progress, story.results
    facts = []
    if results is not None:
        shown = [
            (number((mean_of(results.means(name), HEADLINE) or {}).get("mean"), 2), when)
            for name, when in (("untrained", "before"), ("student", "after"))
            if name in results.methods
        ]
        if shown:
            values, times = (" → ".join(part) for part in zip(*shown, strict=True))
            text = f"PSNR of unseen views of test puppets, {times} distillation"
            facts.append((f"{values} dB", text))
    if progress is not None and progress.steps:
        facts.append((progress.count, f"of distillation at {progress.speed}"))
    if story.goal is not None:
        text = f"PSNR of {story.goal.student} on held-out identities: the end of the road"
        facts.append((f"{story.goal.psnr:.1f} dB", text))
    if results is not None:
        hardware, checkpoint = results.summary["run"]["hardware"], results.summary["checkpoint"]
        on = hardware["gpu"] or counted(hardware["threads"], "thread")
        if "student" in results.methods:
            seconds = results.methods["student"]["seconds"]
            facts.append((duration(seconds), f"for one lift, image → 3D head, on {on}"))
        facts += [
            (f"{checkpoint['encoder_parameters'] / 1e6:.1f} M", "parameters"),
            (
                duration(sum(seconds for _, seconds in story.commands)),
                f"for the commands below, {machine(hardware)}",
            ),
        ]
    return facts


def _curves(story: Story) -> list[Any]:
    """PSNR with the end of the road on the same axis, and the loss."""
    curves = story.curves
    psnr = [
        Line("new view", curves.get("validation/psnr_novel", []), "c0"),
        Line("input view", curves.get("validation/psnr_reference", []), "c5"),
    ]
    if story.goal is not None:
        planned = None if story.progress is None else story.progress.planned_steps
        ends = (0.0, float(planned or story.goal.steps))
        title = f"{story.goal.student}, new view"
        psnr.append(Line(title, [(x, story.goal.psnr) for x in ends], "c2", is_faint=True))
    loss = [
        Line("training", smoothed(curves.get("train/loss", [])), "c2"),
        Line("held-out identities", curves.get("validation/loss", []), "c0"),
    ]
    charts = [
        line_chart(psnr, x_label="step", y_label="PSNR, held-out identities (dB)"),
        line_chart(loss, x_label="step", y_label="loss"),
    ]
    return [chart for chart in charts if chart is not None]


def _making(story: Story, results: Results) -> list[tuple[str, str]]:
    summary, student = results.summary, results.methods.get("student")
    checkpoint, run = summary["checkpoint"], summary["run"]
    distilled = "–"
    if story.progress is not None:
        distilled = f"{story.progress.count}, {story.progress.speed}"
    making = [
        ("Machine", machine(run["hardware"])),
        ("Distillation", distilled),
        ("Peak memory", f"{story.peak_memory_gib:.1f} GiB in the largest process"),
        ("Versions", versions(run)),
        (
            "Student",
            f"{checkpoint['encoder_parameters']:,} parameters, sha256 {checkpoint['sha256'][:16]}…",
        ),
        ("Teacher", f"{checkpoint['teacher']}, {checkpoint['teacher_hash'][:16] or 'no hash'}"),
    ]
    if student is not None:
        view = duration(student["render_seconds"])
        text = f"one view of {checkpoint['image_resolution']}²: {view} (medians)"
        making.append(("Time of a lift", f"{duration(student['seconds'])}; {text}"))
    return making
