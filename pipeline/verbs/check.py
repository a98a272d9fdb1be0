"""Show a teacher's passport, and compare the teacher with a dump of the official code.

With `reference=DUMP.npz` every quantity of the dump is computed from the same latents, cameras and
ray jitter and its largest error printed. Exit status 1: beyond a tolerance, or nothing to compare.
"""

import logging
import sys
from pathlib import Path

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.numerics import with_kernels
from pipeline.evaluation.parity import compare, read_dump
from pipeline.runs.kernel_choice import teacher_trial
from teachers.checkpoint import load_teacher
from teachers.conversion import import_pickle
from teachers.eg3d.teacher import EG3DTeacher
from teachers.teacher import Teacher

log = logging.getLogger("trilift.check")


@verb("check")
def main(config: DictConfig) -> None:
    """Prints the passport, then the table of errors."""
    teacher = read_teacher(Path(config.checkpoint))
    sys.stdout.write(f"{teacher.passport.to_json()}\n")
    if config.reference is None:
        return
    with_kernels(config, lambda: teacher_trial(teacher, gradients=False))
    if not isinstance(teacher, EG3DTeacher):
        raise ValueError(
            f"only EG3D teachers have references, {config.checkpoint} is of kind"
            f" {teacher.passport.kind!r}"
        )
    report = compare(teacher.generator, read_dump(Path(config.reference)))
    sys.stdout.write(f"\n{report.table()}\n")
    if not report.passed:
        raise SystemExit(1)


def read_teacher(path: Path) -> Teacher:
    """A teacher folder, or an official pickle (which is converted in memory)."""
    if not path.is_file():
        return load_teacher(path)
    imported = import_pickle(path, sr_latent="teacher_w")
    for warning in imported.warnings:
        log.warning("%s", warning)
    return imported.teacher


if __name__ == "__main__":
    main()
