"""On what a measurement was made: processor, flags, memory, versions, commit, date; and how much
others worked meanwhile.
"""

import datetime
import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

FLAGS = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "sve", "asimd",
)  # fmt: skip
"""Instruction sets that decide the speed of torch's kernels."""

PACKAGES = ("torch", "numba", "numpy", "lightning", "onnxruntime", "openvino")


def machine() -> dict[str, Any]:
    """This machine and this checkout, for JSON."""
    return {
        "processor": processor(),
        "flags": [flag for flag in FLAGS if flag in _flags()],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := version_of(name))},
        "version": version_of("trilift"),
        "commit": git("rev-parse", "--short", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
    }


def has_bfloat16_instructions() -> bool:
    """Whether the processor multiplies in bfloat16: torch's own check is content with AVX-512."""
    return bool({"avx512_bf16", "amx_bf16"} & _flags())


def processor() -> str:
    """The model's name."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str | None:
    """What is installed; None: it isn't."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def git(*arguments: str) -> str | None:
    """What git says about this checkout; None without one."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


class OtherWork:
    """How many cores others keep busy, from its construction on."""

    def __init__(self) -> None:
        self._start = time.monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """On average so far; None where the system doesn't say."""
        started, busy, own = self._start
        now = _busy_seconds()
        if busy is None or now is None:
            return None
        others = (now - busy) - (_own_seconds() - own)
        return max(0.0, others / max(time.monotonic() - started, 1e-3))


def peak_bytes() -> int:
    """Largest resident memory of this process.

    Linux's VmHWM, since what `getrusage` says includes the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _flags() -> set[str]:
    return {
        flag
        for line in _cpuinfo()
        if line.startswith(("flags", "Features"))
        for flag in line.partition(":")[2].split()
    }


def _busy_seconds() -> float | None:
    """Processor time of everything: user, nice, system, interrupts."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except (OSError, IndexError):
        return None
    user, nice, system, _, _, hard, soft = map(int, fields[:7])
    return (user + nice + system + hard + soft) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
