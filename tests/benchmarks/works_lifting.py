"""Rows on lifting: the students, and the methods that optimise."""

import copy
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.build.configuration import compose, instantiate
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.runtimes.exported import encoder_graph
from pipeline.inference.runtimes.network_file import write_onnx
from pipeline.inference.runtimes.onnx_graph import onnx_model, traced
from pipeline.inference.runtimes.packed import PackedEncoder
from pipeline.inference.runtimes.sessions import SESSIONS
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.checkpoint import discriminator_of, load_teacher
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from tests.benchmarks.machine import has_bfloat16_instructions
from tests.benchmarks.measuring import Contender, Timing, Unavailable, Work
from tests.benchmarks.works_machine import matrix_product
from tests.benchmarks.works_teacher import both_kernels

STEPS = 4
"""Of an inversion in one call, half of them in each phase of PTI."""


def models() -> Models:
    """The bundled teacher and student."""
    teacher = load_teacher("bundled/puppets")
    return Models(
        teacher=lambda: teacher,
        student=lambda: Lifter.load(student_file("bundled/puppets_tiny")),
        discriminator=discriminator_of,
    )


def method(name: str, steps: dict[str, int], parts: Models) -> Any:
    """A method of conf/method with other numbers of steps ("search.steps")."""
    settings = [f"method.{key}={value}" for key, value in steps.items()]
    config = compose("lift", "input=none", "output=none", f"method={name}", *settings).method
    return instantiate({**config, "progress": False}, models=parts)


def photograph(passport: Passport, identity: int = 0) -> tuple[Tensor, Camera]:
    """A test puppet at the teacher's size, and its camera."""
    camera = Camera.orbit(
        torch.tensor([0.2]),
        torch.zeros(1),
        radius=passport.camera_radius,
        pivot=passport.camera_pivot,
        focal=passport.focal,
    )
    views = PuppetWorld().render(
        WorldSeeds.of(Split.TEST, [identity]), camera, passport.image_resolution
    )
    return views.image(0.0 if passport.background == "black" else 1.0), camera


def inversion(name: str, steps: dict[str, int]) -> dict[str, Contender]:
    """A short lift by a method."""
    parts = models()
    image, camera = photograph(parts.teacher.passport)
    lifting = method(name, steps, parts)
    return both_kernels(lambda: lifting.lift(image, camera))


def inversion_w(scale: str) -> dict[str, Contender]:
    """W."""
    return inversion("w", {"search.steps": STEPS, "search.samples": samples_of(scale)})


def inversion_pti(scale: str) -> dict[str, Contender]:
    """PTI, both phases."""
    steps = {"search.steps": STEPS // 2, "tuning.steps": STEPS // 2}
    return inversion("pti", {**steps, "search.samples": samples_of(scale)})


def inversion_hybrid(scale: str) -> dict[str, Contender]:
    """The student, refined."""
    return inversion("hybrid", {"refinement.steps": STEPS})


def samples_of(scale: str) -> int:
    """Latents whose mean W starts from: computed once, in the warm-up."""
    return 1000 if scale == "full" else 8


def tiny_lift(scale: str) -> dict[str, Contender]:
    """Ten photographs of 512², one after the other, from their file to planes."""
    lifter = Lifter.load(student_file("bundled/puppets_tiny"))
    photo = Path(tempfile.mkdtemp()) / "photo.png"
    write_png(photo, torch.rand(3, 512, 512) * 2 - 1)

    def lifts(reconstructor: Reconstructor) -> None:
        for _ in range(10 if scale == "full" else 1):
            reconstructor.lift(photo)

    def by(runtime: str, *, bfloat16: bool = False) -> Work:
        made: list[Reconstructor] = []

        def work() -> None:
            if bfloat16 and not has_bfloat16_instructions():
                raise Unavailable("this processor has no bfloat16 instructions")
            if not made:
                try:
                    made.append(Reconstructor(lifter, runtime=runtime, bfloat16=bfloat16))
                except ValueError as error:
                    raise Unavailable(str(error)) from error
            lifts(made[0])

        return work

    torch_alone = Reconstructor(lifter)
    return {
        **both_kernels(lambda: lifts(torch_alone)),
        "OpenVINO": Contender(by("openvino")),
        "OpenVINO, bf16": Contender(by("openvino", bfloat16=True)),
        "ONNX Runtime": Contender(by("onnxruntime")),
    }


class Base:
    """The paper's student with random weights, and its input."""

    def __init__(self, scale: str) -> None:
        size = "base" if scale == "full" else "tiny"
        self.encoder: nn.Module = instantiate(compose("distill", f"student={size}").student).eval()
        self.side = int(getattr(self.encoder, "image_size"))  # noqa: B009
        self.image = torch.randn(1, 3, self.side, self.side)
        self.expected: Tensor | None = None

    @torch.no_grad()
    def flop(self) -> float:
        """Of the readable path: convolutions, matrix products, attention."""
        with FlopCounterMode(display=False) as counter:
            copy.deepcopy(self.encoder).to("meta")(self.image.to("meta"))
        return float(counter.get_total_flops())

    @torch.no_grad()
    def eager(self) -> None:
        """As it is."""
        self.expected = self.encoder(self.image)

    def runtime(self, make: Callable[[], Callable[[], Tensor]]) -> Work:
        """A work of another runtime, made by its first call; reports the error."""
        made: list[Callable[[], Tensor]] = []

        def work() -> Timing:
            if not made:
                made.append(make())
            found = made[0]().float()
            if self.expected is None:
                return Timing()
            error = (found - self.expected).abs() / self.expected.std()
            return Timing(
                values={"mean_error": float(error.mean()), "max_error": float(error.max())}
            )

        return work

    def packed(self) -> Callable[[], Tensor]:
        """By torch with the fast kernels."""
        packed = PackedEncoder(self.encoder)
        return lambda: packed(self.image)

    @torch.no_grad()
    def compiled(self, *, bfloat16: bool) -> Callable[[], Tensor]:
        """By torch.compile."""
        if shutil.which("g++") is None and shutil.which("clang++") is None:
            raise Unavailable("torch.compile needs a C++ compiler")
        if bfloat16 and not has_bfloat16_instructions():
            raise Unavailable("this processor has no AVX512-BF16: bfloat16 would be emulated")
        compiled = torch.compile(self.encoder)

        @torch.no_grad()
        def call() -> Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                return compiled(self.image)

        return call

    def session(self, runtime: str) -> Callable[[], Tensor]:
        """By ONNX Runtime or OpenVINO, in float32."""
        try:
            session = SESSIONS[runtime](False)
        except ValueError as error:
            raise Unavailable(str(error)) from error
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoder.onnx"
            graph = encoder_graph(self.encoder, self.side)
            write_onnx(onnx_model(graph, traced(graph)), path)
            session.open(path, batch=1)
        return lambda: session(self.image)[0]


def base_student(scale: str) -> dict[str, Contender]:
    """Readable and fast, beside a large matrix product."""
    base = Base(scale)
    return {
        "matrix product": matrix_product(2048 if scale == "full" else 64),
        "eager": Contender(base.eager, flop=base.flop()),
        "fast": Contender(base.runtime(base.packed), flop=base.flop()),
    }


def base_student_runtimes(scale: str) -> dict[str, Contender]:
    """Every runtime that is installed, beside a large matrix product."""
    base = Base(scale)
    return {
        "matrix product": matrix_product(2048 if scale == "full" else 64),
        "eager": Contender(base.eager, flop=base.flop()),
        "fast": Contender(base.runtime(base.packed), flop=base.flop()),
        "compiled": Contender(base.runtime(lambda: base.compiled(bfloat16=False))),
        "compiled, bf16": Contender(base.runtime(lambda: base.compiled(bfloat16=True))),
        "ONNX Runtime": Contender(base.runtime(lambda: base.session("onnxruntime"))),
        "OpenVINO": Contender(base.runtime(lambda: base.session("openvino"))),
    }
