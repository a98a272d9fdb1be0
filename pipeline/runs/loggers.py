"""Loggers outside a run's folder: wandb and TensorBoard."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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

    Raises:
        ValueError: online without a login.
    """
    path = Path(folder)
    if not offline and is_first_process():
        require_wandb_login("logger.wandb.offline=true")
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


def require_wandb_login(offline: str) -> None:
    """Fails early where wandb isn't logged in; without a terminal it can't ask.

    Args:
        offline: the setting that needs no login, for the message.

    Raises:
        ValueError: there is no login, or the server doesn't accept it.
    """
    import wandb

    if os.environ.get("WANDB_MODE", "online") == "online":
        with wandb_errors(offline):
            wandb.login()


@contextmanager
def wandb_errors(offline: str) -> Iterator[None]:
    """Errors of wandb as a ValueError of one sentence; `offline` as in `require_wandb_login`."""
    import wandb

    try:
        yield
    except wandb.errors.Error as error:
        raise ValueError(
            f"Weights & Biases can't be used ({' '.join(str(error).split())}): log in with `wandb"
            f" login` or WANDB_API_KEY, or give {offline} and upload with `wandb sync` later"
        ) from error


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
