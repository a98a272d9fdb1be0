"""How a run computes: its device, precision and kernels, checked and chosen at its start.

The same for every verb: `verb` checks the precision, a verb that renders chooses its kernels.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from pipeline.runs.kernel_choice import AUTO, Trial, choose
from pipeline.runs.machines import Machine
from pipeline.runs.precision import effective_precision, require_bfloat16
from pipeline.runs.run_folder import RunFolder
from teachers.kernels import kernels

from .configuration import reduced_precision

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 600.0
"""How long the processes of a new run wait for the choice of the first."""


def require_precision(config: DictConfig) -> None:
    """Checks that the device has the precision that the configuration asks for: any key `bfloat16`
    that is true.

    A device that isn't there is reported by whoever uses it.

    Raises:
        ValueError: the device only emulates it.
    """
    if config.get("dry_run") and config.get("machine"):
        return  # another machine's
    asked = reduced_precision(config)
    if asked and (device := device_of(config)) is not None:
        require_bfloat16(asked, device)


def device_of(config: DictConfig) -> torch.device | None:
    """The device that a verb computes on, of the trainer or as `device`; None if it isn't there."""
    name = OmegaConf.select(config, "trainer.accelerator") or OmegaConf.select(config, "device")
    if name in (None, "auto"):
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device("cuda" if name == "gpu" else str(name))
    except RuntimeError:  # an accelerator of Lightning's that is no name of torch's
        return None
    return None if device.type == "cuda" and not torch.cuda.is_available() else device


def with_kernels(
    config: DictConfig, trial: Callable[[], Trial], run: RunFolder | None = None
) -> DictConfig:
    """Sets the kernels of this process (`pipeline.runs.kernel_choice`).

    A run that is continued keeps the kernels that it began with, on any machine; runs of earlier
    versions have the readable ones. With `auto`, the other processes of a new run wait for the
    choice of the first.

    Args:
        config: of a verb with a setting `kernels`.
        trial: makes the work that decides, if it has to be measured.
        run: whose configuration the first process records afterwards; None: nothing is kept.

    Returns:
        the configuration with the choice in place of auto.

    Raises:
        ValueError: the run began with other kernels.
    """
    setting = config.kernels
    kept = None if run is None else _kept(run, setting)
    if run is not None and kept is not None and setting not in (AUTO, kept):
        raise ValueError(
            f"{run.path} began with kernels={kept}, which it keeps: leave kernels={setting} out, or"
            " choose another name or folder"
        )
    device = device_of(config) or torch.device("cuda")
    filled = config.copy()
    OmegaConf.update(filled, "kernels", choose(kept or setting, trial, device))
    return filled


def _kept(run: RunFolder, setting: str) -> str | None:
    """The kernels that a run began with; None in a new one without a choice to wait for."""
    from pipeline.runs.processes import is_first_process  # loads Lightning, which a lift doesn't

    ends = time.monotonic() + LONGEST_WAIT_S
    while not run.config_path.exists():
        if setting != AUTO or is_first_process():
            return None
        if time.monotonic() > ends:
            raise ValueError(
                f"{run.config_path} wasn't written in {LONGEST_WAIT_S:g} s by the run's first"
                " process: did that fail, and do all machines see this folder?"
            )
        time.sleep(0.2)
    return str(run.recorded().get("kernels", "readable"))


def missing_machine(config: DictConfig) -> Machine | None:
    """The GPU for which a dry run counts work instead of timing it: `machine`, or an A100 where the
    trainer's GPU isn't there; None: it is there.
    """
    if config.machine is not None:
        return Machine.named(config.machine)
    return Machine.named("a100") if device_of(config) is None else None


def num_processes(config: DictConfig) -> int:
    """As many as the trainer is configured for; "auto" without GPUs counts as one."""
    devices = config.trainer.devices
    if isinstance(devices, ListConfig):
        devices = len(devices)
    elif not isinstance(devices, int) or devices < 1:
        devices = max(1, torch.cuda.device_count())
    return devices * config.trainer.num_nodes


def numerics(config: DictConfig) -> dict[str, Any]:
    """Device, precision, kernels and threads of this process, for its provenance; also logged."""
    device = device_of(config) or torch.device("cpu")
    effective = effective_precision(reduced_precision(config), device)
    facts = {
        "device": device.type,
        "precision": effective,
        "kernels": kernels(),
        "threads": torch.get_num_threads(),
    }
    precision = ", ".join(f"{what} in {how}" for what, how in effective.items())
    log.info(
        "on %s: %s; %s kernels; %d threads",
        facts["device"],
        precision,
        facts["kernels"],
        facts["threads"],
    )
    return facts
