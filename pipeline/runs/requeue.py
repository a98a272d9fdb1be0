"""Preemption: stop signals, exit statuses and SLURM requeueing of a run."""

import logging
import os
import signal
import subprocess
import threading
from types import FrameType, TracebackType
from typing import Any

from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

from .processes import is_first_on_its_node, is_first_process
from .run_folder import RunFolder

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""SIGTERM and SIGUSR1: sent by schedulers before preemption. SIGINT: sent by Ctrl-C."""

TRY_AGAIN = 75
"""Exit status "try again", EX_TEMPFAIL of sysexits.h."""

INTERRUPTED = 128 + signal.SIGINT


class StopSignals:
    """Signal handlers that record a request to stop.

    Before training begins there is nothing to save, and the first signal ends the process
    (`SystemExit`). Afterwards `heard` holds it until the end of the step, where `StateKeeper`
    saves. A second Ctrl-C ends the process at once. Other signals may repeat: launchers forward
    signals that their children have received already.
    """

    def __init__(self, *, exit_code: int = TRY_AGAIN) -> None:
        self.exit_code = exit_code
        self.heard: signal.Signals | None = None
        self.is_training = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def status(self) -> int:
        """The exit status after the signal; after Ctrl-C no scheduler should try again."""
        return INTERRUPTED if self.heard == signal.SIGINT else self.exit_code

    def listen(self) -> None:
        """Installs the handlers, also over handlers that a library has installed meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            handler = signal.signal(number, self._hear)
            self._before.setdefault(number, handler)

    def release(self) -> None:
        """Restores the handlers from before the first `listen`."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.heard is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.heard = self.heard or signal.Signals(number)
        if not self.is_training:
            raise SystemExit(self.status)


class Attempt:
    """One attempt of one process at a run: a context that marks the run's folder as running,
    finished, unfinished or failed.

    A run that was stopped before its end exits with a status that schedulers understand as "try
    again"; under SLURM the job is also requeued. Only the first process of a node exits with it,
    since launchers treat the status of any other process as a failure. If the run's own time limit
    ended the attempt, the status is 0.

    Args:
        run: its folder.
        exit_code: after SIGTERM or SIGUSR1.
        slurm_requeue: call `scontrol requeue` after these signals in a SLURM job.
    """

    def __init__(
        self, run: RunFolder, *, exit_code: int = TRY_AGAIN, slurm_requeue: bool = True
    ) -> None:
        if not 0 < exit_code < 256:
            raise ValueError(
                f"exit_code is {exit_code}: an exit status of a run that should be tried again lies"
                " in 1 … 255"
            )
        self.run = run
        self.slurm_requeue = slurm_requeue
        self.signals = StopSignals(exit_code=exit_code)
        self._progress: dict[str, int] = {}

    def __enter__(self) -> "Attempt":
        self.signals.listen()
        if is_first_process():
            if (before := self.run.status()).get("status") not in (None, "finished"):
                log.info(
                    "continuing a run that is %s: %s",
                    before["status"],
                    before.get("reason", "no reason is known"),
                )
            self.run.mark("running")
        return self

    def reached(self, done: int, total: int) -> None:
        """Sets the progress, in steps or images; with `total` < 1 the run is never complete."""
        self._progress = {"done": int(done), "total": int(total)}

    @property
    def is_complete(self) -> bool:
        """Whether `done` has reached `total`."""
        return 0 < self._progress.get("total", 0) <= self._progress["done"]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.signals.release()
        heard = self.signals.heard
        if error is not None and not (isinstance(error, SystemExit) and heard):
            self._mark("failed", f"{type(error).__name__}: {error}")
            return False
        if error is None and self.is_complete:
            self._mark("finished")
            return False
        reason = f"it was stopped by {heard.name}" if heard else "its time limit was reached"
        self._mark("unfinished", reason)
        if is_first_process():
            log.info(
                "the run in %s is unfinished: %s. To resume, run the same command.",
                self.run.path,
                reason,
            )
        if heard is None:
            return False
        if self.slurm_requeue and heard != signal.SIGINT and is_first_process():
            requeue_slurm_job()
        if is_first_on_its_node():
            raise SystemExit(self.signals.status)
        return True

    def _mark(self, status: str, reason: str = "") -> None:
        if is_first_process():
            self.run.mark(status, **({"reason": reason} if reason else {}), **self._progress)


def requeue_slurm_job() -> bool:
    """Requeues the SLURM job of this process; returns whether SLURM accepted that.

    Only a running job is requeued: a cancelled job, or one past its time limit, receives the same
    signals and must not start again.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return False
    if "SLURM_ARRAY_JOB_ID" in os.environ and "SLURM_ARRAY_TASK_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        shown = _scontrol("show", "job", "--oneliner", job)
        if "JobState=RUNNING" not in shown.split():
            log.info("SLURM job %s is no longer running: not requeued", job)
            return False
        _scontrol("requeue", job)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("SLURM job %s could not be requeued (%s): submit it again", job, error)
        return False
    log.info("SLURM job %s is requeued", job)
    return True


def _scontrol(*arguments: str) -> str:
    done = subprocess.run(
        ["scontrol", *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    if done.returncode:
        raise subprocess.SubprocessError(
            done.stderr.strip() or f"scontrol {arguments[0]} ended with status {done.returncode}"
        )
    return done.stdout


def cluster_plugins() -> list[SLURMEnvironment]:
    """Lightning's SLURM environment for a `Trainer` under `srun`, without Lightning's own
    requeueing, which would save its own checkpoint.
    """
    is_slurm = SLURMEnvironment.detect() and not TorchElasticEnvironment.detect()
    return [SLURMEnvironment(auto_requeue=False)] if is_slurm else []
