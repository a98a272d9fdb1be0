"""One GPU per cell where several cells run side by side on a machine with several GPUs."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.runs.lock import take_lock

POLL_SECONDS = 1.0

VISIBLE = "CUDA_VISIBLE_DEVICES"


@contextmanager
def own_gpu(configuration: Mapping[str, Any] | None) -> Iterator[dict[str, str]]:
    """The environment in which a run sees a GPU that no other cell on this machine uses.

    Without it, cells side by side would all train on the first GPU. Waits until a GPU is free. The
    environment is {} where there is nothing to choose: fewer than two GPUs are visible (a scheduler
    gives each job its own), or the run wants none or several.

    Args:
        configuration: of the run; `trainer` says which devices it wants.
    """
    gpus = visible_gpus() if wants_one_gpu(configuration) else []
    if len(gpus) < 2:
        yield {}
        return
    gpu, lock = _first_free(gpus)
    with lock:
        yield {VISIBLE: gpu}


def wants_one_gpu(configuration: Mapping[str, Any] | None) -> bool:
    """Whether a run's trainer asks for one device that may be a GPU."""
    trainer = (configuration or {}).get("trainer") or {}
    return (
        trainer.get("accelerator") in ("gpu", "cuda", "auto")
        and trainer.get("devices") in (1, "1")
        and trainer.get("num_nodes", 1) == 1
    )


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    if VISIBLE in os.environ:
        return [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip()]
    import torch  # only where GPUs are counted: the sweepers are listed in every help

    return [str(number) for number in range(torch.cuda.device_count())]


def _first_free(gpus: list[str]) -> tuple[str, IO[str]]:
    folder = Path(tempfile.gettempdir()) / f"trilift-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while True:
        for gpu in gpus:
            lock = (folder / f"{gpu.replace('/', '-')}.lock").open("a")
            if take_lock(lock):
                return gpu, lock
            lock.close()
        time.sleep(POLL_SECONDS)
