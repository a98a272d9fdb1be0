"""Do LP3D's ablations point the same way here? Scores every finished cell of
`trilift distill -m sweep=ablations` on its teacher's held-out identities, and writes ablations.md
into the sweep's folder: `python -m pipeline.sweeps.ablations runs/distill/ablations`.

LPIPS and the Fréchet distance, by which most claims are judged, need their networks in `weights`
(`trilift weights faces`) before the first cell is evaluated.

The same command goes on where it was stopped, and takes cells that have been finished meanwhile.
"""

import argparse
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.evaluation.report.results_folder import mean_of
from pipeline.evaluation.results import read_results_json
from pipeline.runs.child_process import ChildProcess, setting, verb_command
from pipeline.runs.files import sha256_of_file, write_text
from pipeline.runs.lock import is_locked
from pipeline.runs.run_folder import RunFolder

from .cell import Cell, CellRecord
from .comparable import require_comparable
from .paired_seeds import Estimate, estimate, paired_difference, verdict

REFERENCE = "ablation_reference"
STUDENT = "student"
CAMERA_CHANGES = ("roll", "roll back", "zoom in", "zoom out", "shift")
"""Rows of the invariance table that a change of camera explains."""

TITLES = {
    "psnr_foreground": "PSNR (foreground), dB ↑",
    "ssim": "SSIM ↑",
    "lpips": "LPIPS ↓",
    "frechet_efficientnet_lite0": "Fréchet distance ↓",
    "depth": "depth error ↓",
    "invariance_planes": "planes that follow the camera ↓",
    "invariance_front": "frontal view that follows the camera ↓",
}
DIGITS = {"psnr_foreground": 2, "depth": 4, "frechet_efficientnet_lite0": 2}

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Arm → score → seed → value."""


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation is of: a student's file, by its hash, on a number of identities."""

    student_sha256: str | None
    identities: int | None

    def __str__(self) -> str:
        return f"student {(self.student_sha256 or 'unknown')[:12]} on {self.identities} identities"


@dataclass(frozen=True)
class Claim:
    """A direction that the paper reports.

    Attributes:
        arm: of the sweep.
        score: that stands for the paper's.
        sign: of arm - reference, by the paper.
        paper: its words in short.
    """

    arm: str
    score: str
    sign: Literal[-1, 1]
    paper: str


CLAIMS = (
    Claim("ablation_no_augmentation", "invariance_planes", 1,
          "without camera augmentation the pose is wrong (Table 4: .1758 for .0461)"),
    Claim("ablation_no_transformer", "lpips", 1,
          "a CNN in place of the transformers is worse (Table 4: LPIPS .5419 for .2894)"),
    Claim("ablation_no_transformer", "psnr_foreground", -1, "the same by PSNR"),
    Claim("ablation_no_discriminator", "frechet_efficientnet_lite0", 1,
          "without the adversary images are less real (Table 5: FID 7.71 for 4.45)"),
    Claim("ablation_triplane_only", "lpips", 1, "planes alone make worse images"),
    Claim("ablation_triplane_only", "psnr_foreground", -1, "the same by PSNR"),
    Claim("ablation_100_identities", "lpips", 1, "few identities are not enough (Table A2)"),
    Claim("ablation_100_identities", "psnr_foreground", -1, "the same by PSNR"),
)  # fmt: skip


def main() -> None:
    """Evaluates what is missing, writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the sweep")
    parser.add_argument("--identities", type=int, default=32, help="held-out ones, for each cell")
    parser.add_argument("--only-table", action="store_true", help="evaluate nothing")
    given = parser.parse_args()
    finished = finished_cells(given.folder)
    if not finished:
        raise SystemExit(
            f"{given.folder} has no finished cell: run `trilift distill -m sweep=ablations` first"
        )
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for folder, arm, seed in finished:
        if not given.only_table:
            evaluate(folder, given.identities)
        require_own_scores(folder, given.identities)
        for score, value in scores_of(folder / "evaluation").items():
            found[arm][score][seed] = value
    text = report(found)
    write_text(given.folder / "ablations.md", text)
    sys.stdout.write(f"{text}\n{given.folder / 'ablations.md'}\n")


def finished_cells(folder: Path) -> list[tuple[Path, str, str]]:
    """Folder, experiment and seed of each finished cell that is named by these two.

    Raises:
        SystemExit: two cells have the same experiment and seed, or other settings differ between
            cells, which are named.
    """
    found: dict[tuple[str, str], Path] = {}
    cells: list[tuple[Path, str, list[str]]] = []
    for file in sorted(folder.glob("*/cell.json")):
        record = Cell("", (), (), file.parent).record()
        values = _values(record)
        if record is None or record.state != "finished" or "experiment" not in values:
            continue
        arm, seed = values["experiment"], values.get("seed", "0")
        first = found.setdefault((arm, seed), file.parent)
        if first != file.parent:
            raise SystemExit(
                f"{first} and {file.parent} are both {arm} with seed {seed}, the table takes one:"
                f" move the other out of {folder}"
            )
        cells.append((file.parent, arm, record.overrides))
    try:
        require_comparable(cells)
    except ValueError as error:
        raise SystemExit(
            f"cells differ in more than experiment and seed, the table would mix them:\n{error}\n"
            f"Move those of another kind out of {folder}, or train them again."
        ) from error
    return [(cell, arm, seed) for (arm, seed), cell in found.items()]


def evaluate(cell: Path, identities: int) -> None:
    """Runs or continues `trilift evaluate` on a cell's student unless it has been; an evaluation of
    an earlier student or of other identities is removed, finished or not.

    Raises:
        SystemExit: the cell has no student, or the evaluation failed, after an error message of its
            own.
    """
    output, student = cell / "evaluation", cell / "student.safetensors"
    wanted, found = wanted_evaluation(cell, identities), evaluation_in(output)
    if found == wanted and (output / "results.json").exists():
        return
    # What another process evaluates stays: the verb says who has it.
    if found not in (None, wanted) and not is_locked(output / "lock"):
        shutil.rmtree(output)
    command = [
        setting("checkpoint", student), setting("output", output), "suite=teacher", "sampler=fast",
        f"identities={identities}", f"methods=[{STUDENT}]", "ceiling_identities=0",
        "suite.attribution.items=0", "kernels=auto",
    ]  # fmt: skip
    with ChildProcess(verb_command("evaluate", command)) as process:
        status = process.wait()
    if status:
        raise SystemExit(status if status > 0 else 1)


def wanted_evaluation(cell: Path, identities: int) -> Evaluated:
    """The evaluation that a cell needs: of its present student.

    Raises:
        SystemExit: it has none.
    """
    student = cell / "student.safetensors"
    if not student.exists():
        raise SystemExit(
            f"{student} is missing, the student of a finished cell: put it back, or move the cell"
            " out of the sweep's folder"
        )
    return Evaluated(sha256_of_file(student), identities)


def evaluation_in(output: Path) -> Evaluated | None:
    """What a finished or interrupted evaluation is of; None before it began."""
    if (output / "results.json").exists():
        results = read_results_json(output)
        student, settings = results.get("checkpoint") or {}, results.get("settings") or {}
        return Evaluated(student.get("sha256"), settings.get("identities"))
    try:
        begun = RunFolder(output).recorded()
    except FileNotFoundError:
        return None
    return Evaluated(begun.get("checkpoint_sha256"), begun.get("identities"))


def require_own_scores(cell: Path, identities: int) -> None:
    """Refuses scores of a cell that aren't its student's on that many identities.

    Raises:
        SystemExit: they are another student's, or of other identities; or the cell has no student.
    """
    output = cell / "evaluation"
    if not (output / "results.json").exists():
        return
    wanted, found = wanted_evaluation(cell, identities), evaluation_in(output)
    if found != wanted:
        raise SystemExit(
            f"{output} has scores of {found}, the table needs {wanted}: evaluate again, without"
            " --only-table, or give the --identities of the scores"
        )


def scores_of(evaluation: Path) -> dict[str, float]:
    """The scores of `TITLES` that an evaluation has; none where there is no evaluation."""
    if not (evaluation / "results.json").exists():
        return {}
    results = read_results_json(evaluation)
    means = results["scores"][STUDENT]["all"]
    found = {name: mean_of(means, name) for name in TITLES}
    measured = {name: entry["mean"] for name, entry in found.items() if entry is not None}
    return measured | invariance_of(results)


def invariance_of(results: Mapping[str, Any]) -> dict[str, float]:
    """Mean change of planes and of the frontal view when the input's camera seems to change, as a
    share of the distance to another identity.
    """
    table = ((results.get("extras") or {}).get("invariance") or {}).get("table")
    if table is None:
        return {}
    rows = [row for row in table["rows"] if row[0] == STUDENT and row[1] in CAMERA_CHANGES]
    columns = {"invariance_planes": "planes (share)", "invariance_front": "front (share)"}
    places = {name: table["columns"].index(title) for name, title in columns.items()}
    return {
        name: statistics.fmean(row[place] for row in rows)
        for name, place in places.items()
        if rows and all(row[place] is not None for row in rows)
    }


def report(scores: Scores, claims: Sequence[Claim] = CLAIMS) -> str:
    """Markdown: the paper's directions with verdicts, then every arm's scores."""
    lines = [
        "| without | the paper | score | difference to the reference (95 %) | seeds | direction |",
        "|---|---|---|---|---:|---|",
    ]
    for claim in claims:
        difference = paired_difference(
            scores.get(claim.arm, {}).get(claim.score, {}),
            scores.get(REFERENCE, {}).get(claim.score, {}),
        )
        count = "0" if difference is None else str(difference.seeds)
        says = verdict(difference, claim.sign)
        cells = (_arm(claim.arm), claim.paper, TITLES[claim.score],
                 _shown(difference, claim.score, sign=True), count, f"**{says}**")  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Differences are paired by seed; the interval is Student's t over the seeds. A direction is"
        " confirmed or contradicted if it excludes 0.",
        "",
        f"| mean over seeds (95 %) | {' | '.join(TITLES.values())} |",
        f"|---|{'---:|' * len(TITLES)}",
    ]
    for arm in (REFERENCE, *sorted(name for name in scores if name != REFERENCE)):
        shown = [_shown(estimate(scores.get(arm, {}).get(name, {})), name) for name in TITLES]
        lines.append(f"| {_arm(arm)} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _values(record: CellRecord | None) -> dict[str, str]:
    """The settings of a cell's last attempt."""
    overrides = [] if record is None else record.overrides
    return {key: value for key, _, value in (each.partition("=") for each in overrides)}


def _arm(name: str) -> str:
    return name.removeprefix("ablation_").replace("_", " ")


def _shown(found: Estimate | None, score: str, *, sign: bool = False) -> str:
    if found is None:
        return "–"
    form = f"{'+' if sign else ''}.{DIGITS.get(score, 3)}f"
    if found.low is None or found.high is None:
        return f"{found.mean:{form}}"
    return f"{found.mean:{form}} ({found.low:{form}} … {found.high:{form}})"


if __name__ == "__main__":
    main()
