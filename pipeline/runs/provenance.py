"""Provenance of results: hardware, versions, commit, command."""

import functools
import os
import platform
import resource
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import torch

from teachers.kernels import kernels

PACKAGES = ("trilift", "torch", "lightning", "torchmetrics", "numpy")


def hardware() -> dict[str, Any]:
    """Processor, usable cores, torch threads, kernels, memory in GiB, the GPU's name or None."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "kernels": kernels(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions() -> dict[str, str | None]:
    """Versions of Python and of `PACKAGES` (None: absent), and the commit of the clone or None."""
    return {
        "python": platform.python_version(),
        **{name: version_of(name) for name in PACKAGES},
        "revision": _revision(),
    }


def packages() -> dict[str, str]:
    """The versions of all installed packages, by name."""
    return dict(_packages())


@functools.cache
def _packages() -> tuple[tuple[str, str], ...]:
    """Read once a process: a few hundred files, each parsed at every question for a field."""
    described = (found.metadata for found in distributions())
    return tuple(sorted((each["Name"], each["Version"]) for each in described if each["Name"]))


def commit() -> dict[str, Any]:
    """`commit` of the clone that holds this code, None outside of one; `dirty`: files differ."""
    revision = _revision()
    return {
        "commit": None if revision is None else revision.removesuffix("+"),
        "dirty": revision is not None and revision.endswith("+"),
    }


def command(verb: str) -> str:
    """The command line of this process, quoted for a shell."""
    return shlex.join(["trilift", verb, *sys.argv[1:]])


def peak_memory_gib(*, of_children: bool = False) -> float:
    """Peak resident memory in GiB of this process, or of the largest child that has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(usage.ru_maxrss * unit / 2**30, 2)


def processor() -> str:
    """The processor's name."""
    return _of_cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags() -> str:
    """The processor's instruction sets, as Linux lists them; "" elsewhere."""
    return _of_cpuinfo("flags") or _of_cpuinfo("Features")  # x86, ARM


def _of_cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def version_of(package: str) -> str | None:
    """Of an installed package; None: it isn't."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def _revision() -> str | None:
    """The commit of the clone that this code lies in, when it is first asked for; "+" when files
    differ from it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10"]
        return subprocess.run(
            described, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
