"""Locks of open files. The system releases one when the last process that holds the file open has
closed it or ended.
"""

import fcntl
import time
from pathlib import Path
from typing import IO, Any

ATTEMPTS = 6
WAIT_SECONDS = 0.05


def take_lock(file: IO[Any]) -> bool:
    """Locks a file, unless another process has locked it.

    Tries for a quarter of a second: `is_locked`, in another process, holds the lock for a moment.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(WAIT_SECONDS)
        if _flock(file, fcntl.LOCK_EX):
            return True
    return False


def is_locked(path: Path) -> bool:
    """Whether a process has locked the file; no if there is none. Processes that ask at the same
    time don't mistake each other for it.
    """
    try:
        with path.open("r") as file:
            return not _flock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _flock(file: IO[Any], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
