"""Tuning: a converted teacher is trained further with its super-resolution's latent fixed, as LP3D
did before distillation (supp. A2).

A student predicts planes and no w, so the super-resolution must not need one. The networks are the
checkpoint's own. The changes and the scores before and after are saved with the result.
"""

import json
import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.runs.files import replaced_folder, write_json
from teachers.checkpoint import load_discriminator, load_teacher, teacher_folder
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kinds import settings_of
from teachers.passport import Passport
from teachers.plain_values import read_json_file

log = logging.getLogger(__name__)

GIVEN_BY_TEACHER = ("resolution", "image_channels")
"""Arguments of a discriminator that follow from the generator's configuration."""


def settings_of_checkpoint(path: Path | str, changes: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a training whose networks are those of a teacher folder.

    Args:
        path: the folder (see `load_teacher`), with its discriminator.
        changes: of the generator's configuration, by name; None keeps what the checkpoint has.

    Returns:
        `teacher`, `discriminator`, `licence`: sections of the configuration of `trilift pretrain`.

    Raises:
        ValueError: the teacher is no EG3D, or a folder's file is damaged.
        FileNotFoundError: there is no such folder, or it has no discriminator.
    """
    teacher = checkpoint_of(path)
    discriminator = {
        name: value
        for name, value in load_discriminator(path).arguments.items()
        if name not in GIVEN_BY_TEACHER
    }
    kept = {
        **settings_of(teacher.configuration),
        **{name: value for name, value in changes.items() if value is not None},
    }
    return {"teacher": kept, "discriminator": discriminator, "licence": teacher.passport.licence}


def checkpoint_of(path: Path | str) -> EG3DTeacher:
    """The teacher of a folder.

    Raises:
        ValueError: it is no EG3D.
    """
    teacher = load_teacher(path)
    if not isinstance(teacher, EG3DTeacher):
        raise ValueError(
            f"{path} holds a {type(teacher).__name__}: only EG3D teachers can be trained further"
        )
    return teacher


def has_no_latent(path: Path | str) -> bool:
    """Whether a teacher's images depend on its latent through the planes only: nothing has to be
    fixed.
    """
    return checkpoint_of(path).passport.super_resolution == "none"


def keep_as_it_is(path: Path | str, output: Path | None) -> None:
    """Copies the folder of a teacher that needs no tuning to where a tuned one would be; `output`
    None: says only that it needs none.

    Raises:
        ValueError: another teacher is there.
    """
    log.info(
        "%s has no super-resolution: its images are the volume rendering, which takes no latent,"
        " so there is nothing to fix. A student can be distilled from it as it is",
        path,
    )
    if output is None:
        return
    there = output / "passport.json"
    if there.exists() and Passport.read(there) != checkpoint_of(path).passport:
        raise ValueError(
            f"{output} holds another teacher than {path}, perhaps a tuned one: give another name="
        )
    with replaced_folder(output) as writing:
        shutil.copytree(teacher_folder(path), writing, dirs_exist_ok=True)
    log.info("%s is a copy", output)


class TuningRecord:
    """The origin of a tuned teacher, the changes, and its scores before and after.

    Args:
        folder: of the run; keeps the checkpoint's scores for a resumed run.
        start_from: the checkpoint's folder.
    """

    def __init__(self, folder: Path, start_from: Path | str) -> None:
        self.start_from = start_from
        self._scores = folder / "checkpoint_scores.json"

    @property
    def is_unscored(self) -> bool:
        """Whether the checkpoint's own scores are still unknown."""
        return not self._scores.exists()

    def checkpoint(self) -> EG3DTeacher:
        """The teacher before it was tuned, with the latent that it was trained or converted for."""
        return checkpoint_of(self.start_from)

    def score_checkpoint(self, scores: dict[str, float]) -> None:
        """Stores the scores of the unchanged checkpoint."""
        self._write({"checkpoint": scores})
        log.info(
            "the checkpoint itself: %s",
            ", ".join(f"{name} {value:.4f}" for name, value in scores.items()),
        )

    def texts(self, tuned: Passport, scores: dict[str, float]) -> dict[str, str]:
        """Files for the tuned teacher's folder: provenance.json and card.md. The scores of the
        first call count as those before any step.

        Args:
            tuned: passport of the tuned teacher.
            scores: of the tuned teacher now, and the `images` seen.
        """
        known = read_json_file(self._scores, dict[str, Any])
        if "untuned" not in known:
            known["untuned"] = scores
            self._write(known)
        before = self.checkpoint()
        changed = {
            name: [old, new]
            for (name, old), new in zip(
                asdict(before.passport).items(), asdict(tuned).values(), strict=True
            )
            if old != new
            and name not in ("name", "source_hash", "depth_samples", "importance_samples")
        }
        record = {
            "tuned_from": asdict(before.passport),
            "changed": changed,
            "images": scores["images"],
            "scores": {**known, "tuned": scores},
        }
        provenance = teacher_folder(self.start_from) / "provenance.json"
        if provenance.is_file():
            record["provenance_of_checkpoint"] = read_json_file(provenance, dict[str, Any])
        return {
            "provenance.json": json.dumps(record, indent=2),
            "card.md": _card(before.passport, tuned, record),
        }

    def _write(self, scores: dict[str, Any]) -> None:
        write_json(self._scores, scores)


def _card(before: Passport, tuned: Passport, record: dict[str, Any]) -> str:
    changes = "\n".join(
        f"- {name}: {old} → {new}" for name, (old, new) in record["changed"].items()
    )
    columns = {
        f"checkpoint ({before.sr_latent})": record["scores"]["checkpoint"],
        f"untuned ({tuned.sr_latent})": record["scores"]["untuned"],
        "tuned": record["scores"]["tuned"],
    }
    names = [name for name in record["scores"]["checkpoint"] if not name.endswith("_floor")]
    rows = "\n".join(
        f"| {name} | " + " | ".join(f"{column[name]:.4f}" for column in columns.values()) + " |"
        for name in names
    )
    return f"""# Teacher `{tuned.name}`

EG3D `{before.name}` (source {before.source_hash}), trained further on
{int(record["images"]):,} images, so that a student, which has no w, can use its super-resolution.

**Licence.** {tuned.licence}

{changes}

| score | {" | ".join(columns)} |
|---|{"---|" * len(columns)}
{rows}

`pixels` and `network` are normalised Fréchet distances, not FID; compare them within a row only.
`provenance.json` has everything.
"""
