"""Loggers outside a run's folder: wandb and TensorBoard."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.loggers.wandb import WandbLogger
from PIL import Image

from .files import write_text
from .processes import is_first_process

WANDB_ID = "wandb_id"


def wandb_logger(
    *, folder: str, project: str, name: str, group: str | None = None, offline: bool = False
) -> WandbLogger:
    """A logger whose wandb run continues when the run in `folder` resumes: its id is stored there.

    Args:
        folder: of the run.
        project, name: on wandb.
        group: on wandb; None: the name of the sweep, if the run is a cell of one.
        offline: write to `folder`/wandb only, for `wandb sync`.
    """
    path = Path(folder)
    if group is None and (path / "cell.json").exists():
        group = path.parent.name
    return WandbLogger(
        name=name,
        project=project,
        save_dir=folder,
        offline=offline,
        id=_wandb_id(path),
        group=group,
        resume="allow",
    )


def _wandb_id(folder: Path) -> str | None:
    """None except on the first process, which alone connects to wandb."""
    kept = folder / WANDB_ID
    if not is_first_process():
        return None
    if not kept.exists():
        write_text(kept, uuid.uuid4().hex[:12])
    return kept.read_text()


def log_picture(logger: Logger, name: str, path: Path, *, step: int) -> None:
    """Logs a PNG; loggers without images ignore it."""
    if isinstance(logger, TensorBoardLogger):
        experiment: Any = logger.experiment
        experiment.add_image(
            name, np.asarray(Image.open(path).convert("RGB")), step, dataformats="HWC"
        )
    elif isinstance(logger, WandbLogger):
        logger.log_image(name, [str(path)], step=step)
