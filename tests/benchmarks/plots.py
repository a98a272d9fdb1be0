"""Plots of results, as SVG."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot, ticker

from tests.benchmarks.rows import GPU, LONG, SHORT

COLORS = ("#9aa5b1", "#4c78a8", "#e45756", "#72b7b2", "#f2cf5b", "#b279a2", "#54a24b")
WIDTH = 7.0
TICKS = (1, 2, 4, 8, 16)
pyplot.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "speed"}
)

Document = Mapping[str, Any]


def draw(document: Document, folder: Path) -> dict[str, Path]:
    """All plots that the document has figures for: title → file."""
    drawn = {}
    for title, function in {
        "Speed by row, beside its target": aims,
        "Time of a step by stage": stages,
        "Growth of time and memory": growth,
        "Time to quality": quality,
        "Inversion": inversions,
    }.items():
        figure = function(document)
        if figure is None:
            continue
        path = folder / f"{document['name']}_{function.__name__}.svg"
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        drawn[title] = path
    return drawn


def aims(document: Document) -> Any:
    """What was measured, as a share of the target, on a log scale: right of 1 is met."""
    points = []
    for row in (*SHORT, *LONG, *GPU):
        for aim in row.aims if row.name in document["rows"] else ():
            value = aim.measured(document["rows"][row.name])
            if value:
                limit = aim.at_least if aim.at_least is not None else aim.at_most
                assert limit is not None
                share = value / limit if aim.at_least is not None else limit / value
                points.append((f"{row.title}\n{aim.text}", share))
    if not points:
        return None
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.45 * len(points) + 0.8))
    for place, (_, share) in enumerate(reversed(points)):
        axes.plot([1, share], [place, place], color="#cccccc", zorder=1)
        axes.scatter([share], [place], color="#54a24b" if share >= 1 else "#e45756", zorder=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    shares = [share for _, share in points]
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10) if min(shares) / 2 < t < max(shares) * 2]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(points)), [name for name, _ in reversed(points)], fontsize=7)
    axes.set_xlabel("measured, in targets (right of 1: met)")
    return figure


def stages(document: Document) -> Any:
    """Stacked bars of every row that knows its stages."""
    bars = [
        (f"{row.title}\n{name}", record["parts"])
        for row in (*SHORT, *LONG)
        for name, record in document["rows"].get(row.name, {}).get("contenders", {}).items()
        if record.get("parts")
    ]
    if not bars:
        return None
    names = list(dict.fromkeys(part for _, parts in bars for part in parts))
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.5 * len(bars) + 1.2))
    colors = pyplot.get_cmap("tab20")
    for place, (_, parts) in enumerate(reversed(bars)):
        left = 0.0
        for part, seconds in parts.items():
            axes.barh(place, seconds, left=left, color=colors(names.index(part)))
            left += seconds
    for number, name in enumerate(names):
        axes.barh(0, 0, color=colors(number), label=name)
    axes.set_yticks(range(len(bars)), [name for name, _ in reversed(bars)], fontsize=7)
    axes.set_xlabel("seconds of a step")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def growth(document: Document) -> Any:
    """Time and memory against the amount of work, log-log, with exponents."""
    curves = document["rows"].get("growth", {}).get("growth", {})
    if not curves:
        return None
    figure, panels = pyplot.subplots(1, 2, figsize=(WIDTH, 3), layout="constrained")
    for number, (name, curve) in enumerate(curves.items()):
        amounts = [amount / curve["amounts"][0] for amount in curve["amounts"]]
        color = COLORS[1:][number]
        panels[0].plot(
            amounts, curve["seconds"], "o-", color=color, label=f"{name}: {curve['exponent']:.2f}"
        )
        exponent = curve["memory_exponent"]
        known = [(a, b) for a, b in zip(amounts, curve["bytes"], strict=True) if b and b > 1e6]
        if known:
            label = f"{name}: {'–' if exponent is None else f'{exponent:.2f}'}"
            x, y = zip(*known, strict=True)
            panels[1].plot(x, [value / 1e6 for value in y], "o-", color=color, label=label)
    for panel, title in zip(panels, ("seconds", "MB above rest"), strict=True):
        panel.set(xscale="log", yscale="log", xlabel="work, in the smallest", ylabel=title)
        panel.set_xticks(TICKS, [str(tick) for tick in TICKS])
        panel.minorticks_off()
        # a log axis of less than a decade would have one number
        panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        panel.legend(
            fontsize=7, frameon=False, title="exponent", title_fontsize=7,
            loc="upper left", bbox_to_anchor=(1, 1),
        )  # fmt: skip
    return figure


def quality(document: Document) -> Any:
    """Validation against seconds of training, for each seed of each way."""
    runs = document.get("quality", [])
    if not runs:
        return None
    figure, panels = pyplot.subplots(1, 2, figsize=(WIDTH, 3), layout="constrained", sharey=True)
    ways = list(dict.fromkeys(run["way"] for run in runs))
    for run in runs:
        curve = run["curve"]
        color = COLORS[1 + ways.index(run["way"])]
        label = run["way"] if run["seed"] == min(r["seed"] for r in runs) else None
        for panel, column in zip(panels, ("seconds", "step"), strict=True):
            panel.plot(
                [point[column] for point in curve], [point["psnr"] for point in curve],
                color=color, label=label, linewidth=1,
            )  # fmt: skip
    for panel, title in zip(panels, ("seconds of training", "step"), strict=True):
        panel.set_xlabel(title)
    panels[0].set_ylabel("PSNR of the novel view, dB")
    panels[1].legend(fontsize=7, frameon=False)
    return figure


def inversions(document: Document) -> Any:
    """The loss at the input view against seconds."""
    curves = document.get("inversions", {})
    if not curves:
        return None
    names = list(dict.fromkeys(curve["method"] for curve in curves.values()))
    figure, panels = pyplot.subplots(
        1, len(names), figsize=(WIDTH, 2.6), layout="constrained", squeeze=False
    )
    for curve in curves.values():
        panel = panels[0, names.index(curve["method"])]
        losses, seconds = curve["losses"], statistics.median(curve["seconds"])
        times = [seconds * (number + 1) / len(losses) for number in range(len(losses))]
        color = COLORS[1] if curve["kernels"] == "readable" else COLORS[2]
        panel.plot(times, losses, color=color, linewidth=1, label=curve["kernels"])
        panel.set(title=curve["method"], xlabel="seconds", yscale="log")
        panel.legend(fontsize=7, frameon=False)
    panels[0, 0].set_ylabel("loss at the input view")
    return figure
