"""Builds an evaluation from its configuration: student, teacher, suite, methods, metrics."""

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.evaluation.engine import Task
from pipeline.evaluation.foreign import ForeignMethod, require_unique_names
from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.methods import (
    MethodEntry,
    constant_method,
    mean_planes,
    reinitialised_student,
    student_method,
)
from pipeline.evaluation.metrics.available import (
    AvailableMetrics,
    as_begun,
    as_measured,
    available_metrics,
)
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.results import RESULTS_SCHEMA, EvaluationScope, read_results_json
from pipeline.evaluation.shared_run import begun_lines
from pipeline.evaluation.suites.held_out_teacher_suite import TeacherSuite
from pipeline.evaluation.suites.suite import Suite
from pipeline.inference.device import device_named
from pipeline.inference.pretrained import student_file
from pipeline.inference.runtimes import TORCH
from pipeline.inversion.method import Method
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file
from pipeline.runs.kernel_choice import Trial, renderer_trial, teacher_trial
from pipeline.runs.markers import RUNTIME
from pipeline.sampling.calibration import calibrate
from pipeline.sampling.source import Sampler
from teachers.checkpoint import discriminator_of, folder_of
from teachers.passport import Passport
from teachers.teacher import Teacher

from .configuration import free_keys, instantiate, to_plain
from .sampler import build_sampler

log = logging.getLogger(__name__)

CEILING = "ceiling"
TRIVIAL = ("untrained", "mean_planes", "mean_latent")
"""Baselines that a student has to beat."""


@dataclass(frozen=True)
class Evaluation:
    """The parts of an evaluation; each is built when it is first needed.

    Attributes:
        config: of `trilift evaluate`.
        device_name: of this process; None: as configured.
    """

    config: DictConfig
    device_name: str | None = None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return to_plain(self.config)

    @cached_property
    def free_keys(self) -> tuple[str, ...]:
        """Settings that may change when an evaluation is continued: they don't decide scores."""
        return free_keys(self.config, RUNTIME)

    @cached_property
    def device(self) -> torch.device:
        """Of the methods."""
        return device_named(self.device_name or self.config.device)

    @cached_property
    def lifter(self) -> Lifter:
        """The student; ValueError without a checkpoint."""
        if self.config.checkpoint is None:
            raise ValueError(
                "checkpoint is null: give checkpoint=FILE.safetensors, or evaluate files alone"
                " (methods=[] predictions=…)"
            )
        return Lifter.load(student_file(self.config.checkpoint)).to(self.device)

    @cached_property
    def teacher(self) -> Teacher:
        """The student's teacher; ValueError if the configured one is another."""
        teacher: Teacher = instantiate(self.config.teacher)
        if self.config.checkpoint is not None:
            self._require_teacher(self.lifter.passport, teacher.passport)
        return teacher

    def _require_teacher(self, student: Passport, teacher: Passport) -> None:
        try:
            student.require_same(
                teacher, mine=f"the student {self.config.checkpoint}", others="the teacher"
            )
        except ValueError as error:
            folder = folder_of(student)
            if folder is None:
                raise
            raise ValueError(f"{error} Here: teacher={folder.name}, with its cameras=.") from None

    @cached_property
    def passport(self) -> Passport:
        """The student's, or that of the configured teacher where there is no student."""
        return self.lifter.passport if self.config.checkpoint is not None else self.teacher.passport

    @cached_property
    def sampler(self) -> Sampler:
        """Draws identities of the teacher as the distillation does."""
        return build_sampler(self.config, self.teacher).to(self.device)

    @cached_property
    def context(self) -> SuiteContext:
        """What suites may know."""
        size = self.passport.image_resolution
        if self.config.checkpoint is not None:
            size = self.lifter.image_size
        sampler = None if self.config.teacher is None else self.sampler
        return SuiteContext(
            self.passport, sampler, size, self.device, Path(self.config.paths.weights)
        )

    @cached_property
    def suite(self) -> Suite:
        """The benchmark."""
        suite: Suite = instantiate(self.config.suite, context=self.context)
        return suite

    @cached_property
    def foreign(self) -> list[ForeignMethod]:
        """Methods that come as files."""
        given = self.settings["predictions"] or []
        folders = given if isinstance(given, list) else [given]
        methods = [ForeignMethod.read(Path(str(folder))) for folder in folders]
        require_unique_names([*self.settings["methods"], CEILING], methods)
        return methods

    @cached_property
    def available(self) -> AvailableMetrics:
        """The metrics of single views, and why others are unavailable."""
        estimator = (
            None if self.config.pose_estimator is None else instantiate(self.config.pose_estimator)
        )
        weights, output = Path(self.config.paths.weights), Path(self.config.output)
        available = available_metrics(weights, self.settings["metrics"], estimator)
        available = as_measured(available, begun_lines(output))
        if not (output / "results.json").is_file():
            return available
        return as_begun(available, read_results_json(output))

    @cached_property
    def checkpoint_sha256(self) -> str | None:
        """Of the student's file."""
        return (
            None
            if self.config.checkpoint is None
            else sha256_of_file(student_file(self.config.checkpoint))
        )

    @cached_property
    def tasks(self) -> list[Task]:
        """The suite with all methods; the ceiling: the student on its own teacher's identities."""
        shared = {
            "metrics": self.available.metrics,
            "device": self.device,
            "seed": self.config.seed,
        }
        given = [f"runtime={self.config.runtime}"] * (self.config.runtime != TORCH)
        given += ["bfloat16=true"] * bool(self.config.bfloat16)
        if given and "student" not in self.settings["methods"]:
            raise ValueError(
                f"{' and '.join(given)}: how the student's encoder is run, and methods has no"
                f" student: add it, or leave {' and '.join(given)} out"
            )
        if len({*self.settings["methods"]}) < len(self.settings["methods"]):
            raise ValueError(f"methods={self.settings['methods']} has a name twice: give each once")
        methods = [self.method(name) for name in self.settings["methods"]]
        if not (methods or self.foreign or self.has_ceiling):
            raise ValueError(
                "methods is [] and there are no predictions, so that nothing would be evaluated:"
                " give methods=[student] or predictions=FOLDER"
            )
        tasks = [
            Task(
                suite=self.suite,
                methods=methods,
                foreign=self.foreign,
                checkpoint_sha256=self.checkpoint_sha256,
                **shared,
            )
        ]
        for one in self.foreign:
            one.require_some(tasks[0].item_names, self.suite.name)
        if self.has_ceiling:
            student = replace(
                self.student,
                name=CEILING,
                title="student on its teacher's identities",
                kind="ceiling",
            )
            tasks.append(
                Task(
                    suite=self.ceiling,
                    methods=[student],
                    checkpoint_sha256=self.checkpoint_sha256,
                    **shared,
                )
            )
        return tasks

    @property
    def has_ceiling(self) -> bool:
        """Whether the student is also evaluated on its teacher's identities."""
        return (
            bool(self.config.ceiling_identities)
            and "student" in self.settings["methods"]
            and not isinstance(self.suite, TeacherSuite)
        )

    @cached_property
    def ceiling(self) -> TeacherSuite:
        """Held-out identities of the teacher, two views each."""
        chosen = {
            "identities": self.config.ceiling_identities,
            "views": 2,
            "seed": self.config.ceiling_seed,
        }
        return TeacherSuite(context=self.context, **chosen)

    def trial(self) -> Trial:
        """The work that decides which kernels are used: the student's views, or the teacher's
        images where there is no student.
        """
        if self.config.checkpoint is not None:
            return renderer_trial(self.lifter.renderer, self.lifter.passport)
        return teacher_trial(self.teacher, gradients=False)

    def method(self, name: str) -> MethodEntry:
        """The method, or trivial baseline, of a name.

        Raises:
            ValueError: there is none.
        """
        if name == "student":
            return self.student
        if name in TRIVIAL:
            return getattr(self, f"_{name}")()
        if name not in self.config.method:
            raise ValueError(
                f"there is no method {name!r}: choose from student,"
                f" {', '.join((*TRIVIAL, *self.config.method))}"
            )
        method: Method = instantiate(self.config.method[name], models=self.models)
        return MethodEntry(
            name=name,
            title=method.title,
            function=method.lift,
            takes_camera=True,
            kind=method.kind,
            image_size=method.image_size,
            notes=method.notes,
        )

    @cached_property
    def student(self) -> MethodEntry:
        """The student, its encoder by the configured runtime and precision."""
        return student_method(
            self.lifter,
            runtime=self.config.runtime,
            runtime_file=self.config.runtime_file,
            bfloat16=bool(self.config.bfloat16),
        )

    @cached_property
    def models(self) -> Models:
        """The networks that an inversion may use."""
        path = None if self.config.teacher is None else self.config.teacher.get("path")
        return Models(
            teacher=None if self.config.teacher is None else lambda: self.teacher,
            student=lambda: self.lifter,
            discriminator=lambda passport: discriminator_of(passport, path),
            weights_folder=self.config.paths.weights,
            device=self.device,
        )

    @property
    def scope(self) -> EvaluationScope:
        """What the results report."""
        methods = {
            method.name: _about(method.title, method.kind, method.notes)
            for task in self.tasks
            for method in task.methods
        }
        methods |= {method.name: _about(method.title, "foreign", ()) for method in self.foreign}
        available, metrics = self.available, dict[str, Metric]()
        metrics |= {metric.name: metric.description for metric in available.metrics}
        return EvaluationScope(
            methods=methods,
            items=[name for task in self.tasks for name in task.item_names],
            metrics=metrics | dict(self.suite.own_metrics()),
            missing={metric.name: metric.why_missing for metric in available.metrics}
            | dict(available.unavailable),
            gaps_deg=self.suite.gaps_deg,
            parts=list(self.suite.parts),
        )

    def description(self) -> dict[str, Any]:
        """What was evaluated: the first keys of results.json."""
        suite, task = self.suite, self.tasks[0]
        chosen = ("seed", "ceiling_identities", "ceiling_seed", "mean_of", "calibration_samples")
        return {
            "schema": RESULTS_SCHEMA,
            "suite": suite.name,
            "settings": {key: self.config[key] for key in chosen} | suite.settings(),
            "manifest_sha256": task.manifest_sha256,
            "checkpoint": None if self.config.checkpoint is None else self._student(),
            **self._teacher_alone(),
            "gaps_deg": [float(edge) for edge in suite.gaps_deg],
            "parts": {name: list(numbers) for name, numbers in suite.parts.items()},
            "measures": {
                "settings": self.settings["metrics"],
                "pose_estimator": self.settings["pose_estimator"],
            },
        }

    def configuration(self) -> dict[str, Any]:
        """The configuration with the hashes of everything that it names; it must be the same when
        an evaluation is continued.

        Without the ceiling's manifest: whether there is a ceiling depends on the methods, which may
        change, and what decides its identities is among the settings and the student's hash.
        """
        return {
            **self.settings,
            "checkpoint_sha256": self.checkpoint_sha256,
            "manifests_sha256": {self.suite.name: self.tasks[0].manifest_sha256},
            **self._teacher_alone(),
            "device_kind": self.device.type,
            "predictions_sha256": [method.sha256() for method in self.foreign],
        }

    def _teacher_alone(self) -> dict[str, str]:
        """The teacher's hash where no student's names it."""
        if self.config.checkpoint is not None or self.config.teacher is None:
            return {}
        return {"teacher_hash": self.teacher.passport.source_hash}

    def _student(self) -> dict[str, Any]:
        return {
            "path": str(self.config.checkpoint),
            "sha256": self.checkpoint_sha256,
            "step": self.lifter.step,
            "encoder_parameters": sum(one.numel() for one in self.lifter.encoder.parameters()),
            "image_resolution": self.lifter.passport.image_resolution,
            "teacher": self.lifter.passport.name,
            "teacher_hash": self.lifter.passport.source_hash,
        }

    def _untrained(self) -> MethodEntry:
        untrained = reinitialised_student(self.lifter, seed=self.config.seed)
        if self.config.calibration_samples:
            calibrate(untrained.encoder, self.sampler, samples=self.config.calibration_samples)  # type: ignore[arg-type]
        return student_method(untrained, "untrained", "untrained", kind="trivial")

    def _mean_planes(self) -> MethodEntry:
        return constant_method(
            self.lifter,
            mean_planes(self.sampler, self.config.mean_of),
            "mean_planes",
            "mean planes",
        )

    def _mean_latent(self) -> MethodEntry:
        with torch.no_grad():
            planes = self.sampler.teacher.synthesize(self.sampler.teacher.mean_latent())
        return constant_method(self.lifter, planes, "mean_latent", "mean latent")


def _about(title: str, kind: str, notes: tuple[str, ...]) -> dict[str, Any]:
    return {"title": title, "kind": kind, "notes": list(notes)}
