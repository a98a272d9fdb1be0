"""One self-contained HTML page that tells what a distillation came to: pictures, numbers, and what
they mean.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.runs.curves import Curve, smoothed
from pipeline.runs.durations import duration

from .chart import Line, line_chart
from .demo_report import METRICS, shown
from .demo_text import CAVEATS, MEANINGS, OUTSIDE, introduction, verdict

MIME = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
}

ANSWERS = {
    "untrained": ("before: untrained", "c1"),
    "student": ("after: the student", "c0"),
    "mean_planes": ("never looks: mean planes", "c2"),
    "mean_latent": ("never looks: mean subject", "c3"),
    "ceiling": ("on its teacher's identities", "c4"),
}
"""Columns of the table: names of a report's answers → title, style."""


@dataclass(frozen=True)
class LiftedPhotograph:
    """A photograph and the folder that `trilift lift` made of it."""

    title: str
    note: str
    folder: Path
    is_outside: bool = False


@dataclass(frozen=True)
class Story:
    """Everything that the page tells.

    Attributes:
        report: of `trilift evaluate`.
        sheet: its picture.
        curves: of the distillation, by name.
        photographs: what was lifted.
        commands: what was run, as it can be typed, and the seconds that it took.
        planned_steps: of the distillation; None where nobody said.
        peak_memory_gib: of the largest process.
    """

    report: dict[str, Any]
    sheet: Path
    curves: dict[str, Curve]
    photographs: Sequence[LiftedPhotograph]
    commands: Sequence[tuple[str, float]]
    planned_steps: int | None
    peak_memory_gib: float


def demo_page(story: Story) -> str:
    """The page; nothing in it points outside itself."""
    style = files(__package__).joinpath("base.css").read_text(encoding="utf-8")
    sections = [
        _head(story),
        _photographs(story),
        _numbers(story),
        _sheet(story),
        _curves(story),
        _meaning(),
        _caveats(),
        _making(story),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>trilift: what a student learned</title><style>{style}</style></head>\n"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def inline(path: Path) -> str:
    """A file as a data URI.

    Raises:
        ValueError: its kind can't be shown.
    """
    if path.suffix.lower() not in MIME:
        raise ValueError(f"{path} can't be put on a page: use one of {', '.join(MIME)}")
    return f"data:{MIME[path.suffix.lower()]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _head(story: Story) -> str:
    scores, run = story.report["scores"], story.report["run"]
    before, after = (
        shown(scores[name]["new_views"]["psnr_foreground"], "psnr_foreground")
        for name in ("untrained", "student")
    )
    parameters = story.report["checkpoint"]["encoder_parameters"] / 1e6
    facts = [
        (
            f"{before} → {after} dB",
            "likeness of identities from sides that it was not shown, before → after",
        ),
        (
            f"{run['lift_ms']:.0f} ms",
            f"for one lift: picture → 3D head, on {_counted(run['hardware']['threads'], 'thread')}",
        ),
        (
            f"{parameters:.1f} M",
            f"parameters, distilled in {story.report['checkpoint']['step']} steps",
        ),
        (
            duration(sum(seconds for _, seconds in story.commands)),
            f"for everything on this page, {_machine(run['hardware'])}",
        ),
    ]
    cells = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(text)}</span></div>'
        for value, text in facts
    )
    lead = f'<p class="lead">{escape(introduction(story.report))}</p>'
    return f'<h1>One photograph in,<br>a head in 3D out</h1>{lead}<div class="facts">{cells}</div>'


def _photographs(story: Story) -> str:
    cards = "".join(_card(photograph) for photograph in story.photographs)
    more = "".join(_more_views(photograph) for photograph in story.photographs)
    details = f"<details><summary>All views, depth and normals</summary>{more}</details>"
    return f'<h2>Lifted from one picture each</h2><div class="cards">{cards}</div>{details}'


def _card(photograph: LiftedPhotograph) -> str:
    badge = f'<span class="badge">{escape(OUTSIDE)}</span>' if photograph.is_outside else ""
    crop = f'<img src="{inline(photograph.folder / "crop.png")}" alt="given picture">'
    given = f"<figure>{crop}<figcaption>given</figcaption></figure>"
    film = f"<figure>{_film(photograph.folder)}<figcaption>lifted, turning</figcaption></figure>"
    pictures = f'<div class="pair">{given}{film}</div>'
    return (
        f'<div class="card"><h3>{escape(photograph.title)}'
        f" {badge}</h3>{pictures}<p>{escape(photograph.note)}</p></div>"
    )


def _more_views(photograph: LiftedPhotograph) -> str:
    sheet = (
        f'<img src="{inline(photograph.folder / "sheet.png")}" alt="new views, depth and normals">'
    )
    return f'<h3>{escape(photograph.title)}</h3><div class="wide">{sheet}</div>'


def _film(folder: Path) -> str:
    film, picture = folder / "turntable.mp4", folder / "turntable.gif"
    if film.exists():
        return f'<video src="{inline(film)}" autoplay loop muted playsinline></video>'
    return f'<img src="{inline(picture)}" alt="turning head">'


def _numbers(story: Story) -> str:
    scores = {
        name: story.report["scores"][name] for name in ANSWERS if name in story.report["scores"]
    }
    head = "".join(f"<th>{escape(ANSWERS[name][0])}</th>" for name in scores)
    rows = "".join(_number_row(metric, scores) for metric in METRICS)
    count = scores["student"]["new_views"]["psnr"]
    text = (
        f"{count['identities']} identities of the puppet world's test split, whom neither teacher"
        f" nor student has ever seen; {count['pictures']} new views of them, at the true cameras."
        " Small: 95 % intervals over identities."
    )
    table = (
        '<div class="wide"><table><thead><tr><th>mean over new'
        f" views</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return (
        "<h2>Before and"
        f" after</h2><p>{escape(verdict(story.report['scores']))}</p><p>{escape(text)}</p>{table}"
    )


def _number_row(metric: str, scores: dict[str, Any]) -> str:
    title, unit, more_is_better = METRICS[metric]
    label = f"{escape(title)} {'↑' if more_is_better else '↓'}<small>{escape(unit)}</small>"
    return f"<tr><td>{label}</td>{''.join(_number_cell(name, score['new_views'][metric], metric) for name, score in scores.items())}</tr>"


def _number_cell(name: str, mean: dict[str, Any] | None, metric: str) -> str:
    interval = ""
    if mean is not None and mean["low"] is not None and mean["high"] is not None:
        low, high = (shown({"mean": mean[side]}, metric) for side in ("low", "high"))
        interval = f"<small>{low} … {high}</small>"
    return f"<td{' class=ours' if name == 'student' else ''}>{shown(mean, metric)}{interval}</td>"


def _sheet(story: Story) -> str:
    text = (
        "For each subject a near and a far view: what was given, the truth at the other camera, and"
        " every answer drawn at that same camera. The bright places of the error picture are where"
        " the student is wrong; depth runs from red (near) to blue (far)."
    )
    sheet = f'<img src="{inline(story.sheet)}" alt="comparison of all answers">'
    return f'<h2>Test puppets, subject by subject</h2><p>{text}</p><div class="wide">{sheet}</div>'


def _curves(story: Story) -> str:
    loss = [
        Line("training loss", smoothed(story.curves.get("train/loss", [])), "c2"),
        Line("on held-out identities", story.curves.get("validation/loss", []), "c0"),
    ]
    likeness = [
        Line("new view", story.curves.get("validation/psnr_novel", []), "c0"),
        Line("given view", story.curves.get("validation/psnr_reference", []), "c5"),
    ]
    charts = [
        line_chart(loss, x_label="steps", y_label="Loss while it learns"),
        line_chart(
            likeness, x_label="steps", y_label="PSNR on held-out identities of the teacher (dB)"
        ),
        _gap_chart(story.report["scores"]),
    ]
    drawn = "".join(charts)
    return (
        f'<h2>How it learned, and how far it can turn</h2><div class="charts">{drawn}</div>'
        if drawn
        else ""
    )


def _gap_chart(scores: dict[str, Any]) -> str:
    lines, ticks = [], {}
    for name, (title, style) in ANSWERS.items():
        points = []
        for part in scores.get(name, {"by_yaw_gap": []})["by_yaw_gap"]:
            if part["psnr_foreground"] is None or part["to_deg"] is None or name == "ceiling":
                continue
            middle = (part["from_deg"] + part["to_deg"]) / 2
            ticks[middle] = "given" if part["to_deg"] == 0 else f"{middle:g}°"
            points.append((middle, part["psnr_foreground"]["mean"]))
        lines.append(Line(title, points, style))
    return line_chart(
        lines,
        x_label="turned away from the given view",
        y_label="PSNR of the subject (dB)",
        x_ticks=sorted(ticks.items()),
    )


def _meaning() -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in MEANINGS)
    return f"<h2>What the numbers mean</h2><dl>{items}</dl>"


def _caveats() -> str:
    return (
        "<h2>What to keep in"
        f" mind</h2><ul>{''.join(f'<li>{escape(text)}</li>' for text in CAVEATS)}</ul>"
    )


def _making(story: Story) -> str:
    run, checkpoint = story.report["run"], story.report["checkpoint"]
    lines = "\n".join(
        f"{escape(command)}    # {duration(seconds)}" for command, seconds in story.commands
    )
    versions = ", ".join(f"{name} {value}" for name, value in run["versions"].items() if value)
    steps = f"{checkpoint['step']} steps" + (
        "" if story.planned_steps is None else f" of {story.planned_steps} planned"
    )
    facts = [
        ("Machine", _machine(run["hardware"])),
        ("Peak memory", f"{story.peak_memory_gib:.1f} GiB in the largest process"),
        ("Versions", versions),
        (
            "Student",
            (
                f"{steps}, {checkpoint['encoder_parameters']:,} parameters, sha256"
                f" {checkpoint['sha256'][:16]}…"
            ),
        ),
        ("Teacher", f"{checkpoint['teacher']}, {checkpoint['teacher_hash'][:16] or 'no hash'}"),
        (
            "One lift",
            (
                f"{run['lift_ms']:.0f} ms; one rendered view of {checkpoint['image_resolution']}²:"
                f" {run['render_ms']:.0f} ms (medians)"
            ),
        ),
    ]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f"<h2>How this page was made</h2><pre>{lines}</pre><dl>{items}</dl>"


def _machine(hardware: dict[str, Any]) -> str:
    gpu = hardware["gpu"] or "no GPU"
    return (
        f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gib']:.0f} GiB,"
        f" {gpu}"
    )


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" + ("" if count == 1 else "s")
