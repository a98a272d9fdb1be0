"""Student and inversions on the same people: a table with intervals, by yaw gap, and quality
against seconds as docs/methods.png (of another suite than puppets: docs/methods_SUITE.png).

Run from the repository's root: `python docs/figures/methods.py bundled/puppets_tiny`, or for a
student of heads `… bundled/heads_tiny --suite heads teacher=heads cameras=heads`. It runs `trilift
evaluate` (24 people; PTI takes minutes for each without a GPU), and goes on where it was stopped.
To try it: `--identities 1 method.w.search.steps=5 …`. `--into docs/results.md` writes the table
there, between its markers.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics.view_metrics import PSNR_FOREGROUND
from pipeline.evaluation.paired import comparisons
from pipeline.evaluation.report.numbers import interval, number
from pipeline.evaluation.report.results_folder import Results, mean_of, read_results
from pipeline.runs.durations import duration

DOCS = Path(__file__).resolve().parents[1]
METHODS = ("student", "w", "w_plus", "pti", "hybrid")
METRIC = "psnr_foreground"
SPEED = 3_000
"""Times PTI's that a student is to reach."""
COLOURS = dict(zip(METHODS, ("#0f7b6c", "#b4533a", "#c28a00", "#6d5bd0", "#2a6fbb"), strict=True))


def evaluate(
    student: str, suite: str, identities: int, output: Path, further: Sequence[str]
) -> None:
    """Runs or continues the evaluation; SystemExit after a message of its own if it fails."""
    settings = (
        f"checkpoint={student}", f"suite={suite}", f"identities={identities}", f"output={output}",
        f"methods=[{','.join(METHODS)}]", "ceiling_identities=0", "kernels=auto",
    )  # fmt: skip
    command = [sys.executable, "-m", "pipeline.verbs.evaluate", *settings, *further]
    print(" ".join(command), flush=True)
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SystemExit(status)


def beyond(results: Results, first: str, second: str, gap_deg: float) -> dict[str, Any] | None:
    """First minus second, as `comparisons` has it, on the same views whose yaw gap to the input
    exceeds `gap_deg`; None without such views.
    """
    rows = [row for row in results.rows if (row.get("gap_deg") or 0.0) > gap_deg]
    return next(iter(comparisons(rows, [first, second], {METRIC: PSNR_FOREGROUND})), None)


def statements(results: Results) -> Iterator[str]:
    """What a student is to reach: better than W beyond 15°, near PTI beyond 30°, and far faster."""
    for second, gap, least in (("w", 15.0, 0.0), ("pti", 30.0, -1.0)):
        found = beyond(results, "student", second, gap)
        if found is None:
            yield f"student - {second} beyond {gap:.0f}°: not measured"
            continue
        difference, low, high = (found[key] for key in ("difference", "low", "high"))
        verdict = "met" if difference >= least else "missed"
        if (low < least) == (high > least):
            verdict += f" by the mean, and the interval holds {least:g}"
        yield (
            f"student - {second} beyond {gap:.0f}°: {difference:+.2f} dB"
            f" ({low:+.2f} … {high:+.2f}), wanted ≥ {least:g}: {verdict}"
        )
    seconds = {name: method.get("seconds") for name, method in results.methods.items()}
    if seconds.get("student") and seconds.get("pti"):
        factor = seconds["pti"] / seconds["student"]
        verdict = "met" if factor >= SPEED else "missed"
        yield f"PTI takes {factor:,.0f} × the student's time, wanted ≥ {SPEED:,}: {verdict}"


def table(results: Results) -> str:
    """Markdown: over all new views, by yaw gap, and the median time of a lift."""
    gaps = results.gap_titles()
    shown = [name for name in METHODS if name in results.methods]
    lines = [
        f"| PSNR (foreground), dB | new views | {' | '.join(gaps)} | lift |",
        f"|---|{'---:|' * (len(gaps) + 2)}",
    ]
    for name in shown:
        means = [results.means(name), *(results.gaps(name).get(gap) for gap in gaps)]
        cells = [_cell(mean_of(each, METRIC)) for each in means]
        method = results.methods[name]
        lines.append(
            f"| {method['title']} | {' | '.join(cells)} | {duration(method.get('seconds'))} |"
        )
    return "\n".join(lines)


def picture(results: Results, path: Path) -> None:
    """Quality against seconds, and by yaw gap, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), dpi=110)
    gaps = results.gap_titles()
    for name in (name for name in METHODS if name in results.methods):
        method, mean = results.methods[name], mean_of(results.means(name), METRIC)
        if mean is None or not method.get("seconds"):
            continue
        left.plot(method["seconds"], mean["mean"], "o", color=COLOURS[name])
        left.vlines(method["seconds"], mean["low"], mean["high"], color=COLOURS[name], alpha=0.5)
        left.annotate(method["title"], (method["seconds"], mean["mean"]), (6, 4),
                      textcoords="offset points", fontsize=9)  # fmt: skip
        found = [mean_of(results.gaps(name).get(gap), METRIC) for gap in gaps]
        points = [(place, each) for place, each in enumerate(found) if each is not None]
        right.plot([place for place, _ in points], [each["mean"] for _, each in points], "o-",
                   color=COLOURS[name], label=method["title"], markersize=4)  # fmt: skip
    left.set(xscale="log", xlabel="seconds of one lift", ylabel="PSNR (foreground), new views, dB")
    left.margins(x=0.25)
    right.set(xlabel="yaw gap to the input", ylabel="PSNR (foreground), dB")
    right.set_xticks(range(len(gaps)), gaps)
    right.legend(fontsize=9, frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def default_picture(suite: str) -> Path:
    """That of the documents, one for each suite."""
    return DOCS / ("methods.png" if suite == "puppets" else f"methods_{suite}.png")


def write_into(path: Path, suite: str, text: str) -> None:
    """Replaces what is between a document's markers.

    Raises:
        ValueError: it has none.
    """
    before, after = around_table(path, suite)
    path.write_text(f"{before}\n{text}\n{after}")


def around_table(path: Path, suite: str) -> tuple[str, str]:
    """A document up to and including its first marker, and from the second on.

    Raises:
        ValueError: it has none.
    """
    begin, end = f"<!-- methods on {suite} -->", f"<!-- end of methods on {suite} -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path} has no place for the table: put {begin} and {end} into it")
    return f"{before}{begin}", f"{end}{after}"


def _cell(mean: dict[str, Any] | None) -> str:
    if mean is None:
        return "–"
    ends = interval(mean, 1)
    return f"{number(mean['mean'], 1)}{f' ({ends})' if ends else ''}"


def main() -> None:
    """Evaluates what is missing, prints, draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("student", help="bundled/NAME, or a file")
    parser.add_argument("further", nargs="*", help="settings of trilift evaluate (teacher=heads)")
    parser.add_argument("--suite", default="puppets", help="or heads")
    parser.add_argument("--identities", type=int, default=24)
    parser.add_argument("--output", type=Path, help="default: runs/evaluate/methods_SUITE")
    parser.add_argument("--picture", type=Path, help="default: docs/methods[_SUITE].png")
    parser.add_argument("--into", type=Path, action="append", default=[], help="documents")
    given = parser.parse_intermixed_args()
    try:
        for document in given.into:  # hours before they are written
            around_table(document, given.suite)
    except (OSError, ValueError) as error:
        parser.error(f"--into: {error}")
    output = given.output or Path(f"runs/evaluate/methods_{given.suite}")
    drawn = given.picture or default_picture(given.suite)
    evaluate(given.student, given.suite, given.identities, output, given.further)
    results = read_results(output)
    text = f"{table(results)}\n\n" + "\n".join(f"- {each}" for each in statements(results))
    print(f"\n{text}\n")
    for document in given.into:
        write_into(document, given.suite, text)
    picture(results, drawn)
    print(drawn)


if __name__ == "__main__":
    main()
