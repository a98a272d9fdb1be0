"""Results as Markdown and plots."""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import plots
from tests.benchmarks.measuring import paired_ratio, spread
from tests.benchmarks.rows import GPU, LONG, SHORT, Aim, Row

CROWDED = 0.2
"""Cores that others keep busy, from which on times are marked."""

Document = Mapping[str, Any]


def write(document: Document, folder: Path) -> None:
    """NAME.md, and the plots that it shows."""
    name = document["name"]
    pictures = plots.draw(document, folder)
    shown = [f"![{title}]({path.name})" for title, path in pictures.items()]
    text = "\n\n".join(
        [f"# `make {'bench' if name == 'bench' else name}`", caption(document), targets(document),
         times(document), *stages(document), *growth(document), *shown]
    )  # fmt: skip
    (folder / f"{name}.md").write_text(text + "\n")


def caption(document: Document) -> str:
    """Machine, commit and date in a paragraph, and whether others worked meanwhile."""
    where = document["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    commit = f"{where['commit']}{', changed' if where['changed'] else ''}"
    gpu = f"{where['gpu']}; " if where.get("gpu") else ""
    text = (
        f"{gpu}{where['processor']} ({' '.join(where['flags'])}), {where['cores']} cores,"
        f" {where['memory_gb']:.0f} GB; Python {where['python']}, {packages}; commit {commit},"
        f" {where['date'][:10]}."
    )
    others = document.get("others_cores")
    if others is not None and others > CROWDED:
        text += (
            f" **Crowded: others kept {others:.1f} cores busy meanwhile; ratios are within a run,"
            " seconds are not this machine's.**"
        )
    return text


def rows_of(document: Document) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    """The rows of a document that are known, in their order."""
    for row in (*SHORT, *LONG, *GPU):
        if row.name in document["rows"]:
            yield row, document["rows"][row.name]


def targets(document: Document) -> str:
    """The table of targets with what was measured."""
    lines = ["| work | target | measured | |", "|---|---|---:|---|"]
    for row, result in rows_of(document):
        for aim in row.aims:
            value = aim.measured(result)
            lines.append(f"| {row.title} | {aim.text} | {shown(aim, value)} | "
                         f"{verdict(aim, value, result)} |")  # fmt: skip
    lines += [f"| {one['title']} | {one['target']} | {one['measured']} | {one['verdict']} |"
              for one in document.get("further", [])]  # fmt: skip
    return "\n".join(lines)


def shown(aim: Aim, value: float | None) -> str:
    """A measured value with its unit."""
    if value is None:
        return "–"
    match aim.quantity:
        case "ratio" | "fastest_ratio" | "peak_ratio":
            return f"{value:.2f} ×"
        case "peak_gb":
            return f"{value:.2f} GB"
        case "rate_share":
            return f"{value:.0%}"
        case "exponent":
            return f"exponent ≤ {value:.2f}"
    return duration(value)


def verdict(aim: Aim, value: float | None, result: Mapping[str, Any]) -> str:
    """Met, missed by a factor, or why there is no value."""
    if value is not None:
        missing = aim.missing_factor(value)
        return "met" if missing == 1 else f"missed by a factor of {missing:.2f}"
    reasons = [
        f"{name}: {record['unavailable']}"
        for name, record in result.get("contenders", {}).items()
        if name in (aim.of, aim.to) and "unavailable" in record
    ]
    return "; ".join(reasons) or result["state"].replace("done", "not measured")


def times(document: Document) -> str:
    """A line for each contender of each row."""
    lines = [
        "| work | by | median | spread | × baseline | × readable | × stored | floor | peak memory |"
        " |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row, result in rows_of(document):
        contenders = result.get("contenders", {})
        for number, (name, record) in enumerate(contenders.items()):
            seconds = record.get("seconds", [])
            cells = [
                row.title if number == 0 else "",
                name,
                f"{duration(statistics.median(seconds))}/{row.unit}" if seconds else "–",
                f"± {spread(seconds):.0%} of {len(seconds)}" if seconds else "–",
                faster(contenders, "baseline", name),
                faster(contenders, "readable", name),
                since_stored(document, row.name, name),
                floor(document, contenders, name),
                f"{record['peak_bytes'] / 1e9:.2f} GB" if "peak_bytes" in record else "–",
                record.get("unavailable") or (result["state"] if number == 0 else ""),
            ]
            cells[-1] = cells[-1].removesuffix("done") + values(record)
            lines.append(f"| {' | '.join(cells)} |")
        if not contenders and "growth" not in result:
            lines.append(f"| {row.title} |{' – |' * 8} {result['state']} |")
    return "\n".join(lines)


def values(record: Mapping[str, Any]) -> str:
    """What a work has reported besides its time, such as errors."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" for name, value in record.get("values", {}).items()
    )


def faster(contenders: Mapping[str, Any], slow: str, name: str) -> str:
    """How much faster one contender is than another, round by round."""
    one, other = (contenders.get(key, {}).get("seconds") for key in (slow, name))
    return f"{paired_ratio(one, other):.2f}" if one and other and slow != name else "–"


def since_stored(document: Document, row: str, name: str) -> str:
    """The stored median over this one, on the same processor."""
    before = document.get("stored") or {}
    if before.get("machine", {}).get("processor") != document["machine"]["processor"]:
        return "–"
    old, new = before["rows"].get(row, {}).get(name), document["rows"][row]["contenders"][name]
    return f"{old / statistics.median(new['seconds']):.2f}" if old and "seconds" in new else "–"


def floor(document: Document, contenders: Mapping[str, Any], name: str) -> str:
    """Counted operations of the readable path at the best rate of this run."""
    counted = [record for record in contenders.values() if record.get("flop")]
    best = best_rate(document)
    is_own = name in ("fast", "eager", "readable")
    if not (counted and best and is_own) or "rates" not in document["rows"]:
        return "–"
    flop = contenders.get("eager", contenders.get("readable", {})).get("flop")
    return duration(flop / best) if flop else "–"


def best_rate(document: Document) -> float | None:
    """The largest rate of the machine's row, in operations a second."""
    contenders = document["rows"].get("rates", {}).get("contenders", {})
    rates = [one["flop"] / min(one["seconds"]) for one in contenders.values() if one.get("seconds")]
    return max(rates, default=None)


def stages(document: Document) -> Iterator[str]:
    """A table for each row whose contenders know their stages."""
    for row, result in rows_of(document):
        known = {n: r["parts"] for n, r in result.get("contenders", {}).items() if r.get("parts")}
        if not known:
            continue
        names = list(dict.fromkeys(part for parts in known.values() for part in parts))
        lines = [f"Stages of {row.title}:", "", f"| stage | {' | '.join(known)} |",
                 f"|---|{'---:|' * len(known)}"]  # fmt: skip
        for part in names:
            cells = [duration(parts[part]) if part in parts else "–" for parts in known.values()]
            lines.append(f"| {part} | {' | '.join(cells)} |")
        yield "\n".join(lines)


def growth(document: Document) -> Iterator[str]:
    """The fitted exponents."""
    curves = document["rows"].get("growth", {}).get("growth", {})
    if curves:
        lines = ["Growth, as exponents of a power law (1 is linear):", "",
                 "| with | time | memory |", "|---|---:|---:|"]  # fmt: skip
        for name, curve in curves.items():
            memory = curve["memory_exponent"]
            lines.append(f"| {name} | {curve['exponent']:.2f} | "
                         f"{'–' if memory is None else f'{memory:.2f}'} |")  # fmt: skip
        yield "\n".join(lines)


def duration(seconds: float) -> str:
    """In s, ms or min, to three digits."""
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
