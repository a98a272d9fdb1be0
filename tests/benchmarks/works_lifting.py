"""Rows on lifting: the students, and the methods that optimise."""

import importlib.util
import io
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.build.configuration import compose, instantiate
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import Reconstructor
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.checkpoint import load_discriminator, load_teacher
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
        discriminator=lambda: load_discriminator("bundled/puppets"),
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
    reconstructor = Reconstructor.from_pretrained("bundled/puppets_tiny", device="cpu")
    folder = Path(tempfile.mkdtemp())
    write_png(folder / "photo.png", torch.rand(3, 512, 512) * 2 - 1)

    def lifts() -> None:
        for _ in range(10 if scale == "full" else 1):
            reconstructor.lift(folder / "photo.png")

    return both_kernels(lifts)


class Base:
    """The paper's student with random weights, and its input."""

    def __init__(self, scale: str) -> None:
        size = "base" if scale == "full" else "tiny"
        self.encoder: nn.Module = instantiate(compose("distill", f"student={size}").student).eval()
        self.image = torch.randn(1, 3, *[int(getattr(self.encoder, "image_size"))] * 2)  # noqa: B009
        self.expected: Tensor | None = None

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

    def onnx_runtime(self) -> Callable[[], Tensor]:
        """By ONNX Runtime."""
        import_needed("onnxruntime", "onnxscript")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(
            self.exported(), options, providers=["CPUExecutionProvider"]
        )
        feed = {session.get_inputs()[0].name: self.image.numpy()}
        return lambda: torch.from_numpy(session.run(None, feed)[0])

    def openvino(self) -> Callable[[], Tensor]:
        """By OpenVINO, in float32."""
        import_needed("openvino", "onnxscript")
        import openvino

        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        model = openvino.compile_model(io.BytesIO(self.exported()), "CPU", settings)
        return lambda: torch.from_numpy(model([self.image.numpy()])[0].copy())

    def exported(self) -> bytes:
        """As ONNX, weights inside."""
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                self.encoder, (self.image,), dynamo=True, opset_version=20, verbose=False
            )
        assert program is not None
        program.save(file)
        return file.getvalue()


def base_student(scale: str) -> dict[str, Contender]:
    """Eager, beside a large matrix product."""
    base = Base(scale)
    return {
        "matrix product": matrix_product(2048 if scale == "full" else 64),
        "eager": Contender(base.eager, counts_flop=True),
    }


def base_student_runtimes(scale: str) -> dict[str, Contender]:
    """Every runtime that is installed, beside a large matrix product."""
    base = Base(scale)
    return {
        **base_student(scale),
        "eager": Contender(base.eager, counts_flop=True),
        "compiled": Contender(base.runtime(lambda: base.compiled(bfloat16=False))),
        "compiled, bf16": Contender(base.runtime(lambda: base.compiled(bfloat16=True))),
        "ONNX Runtime": Contender(base.runtime(base.onnx_runtime)),
        "OpenVINO": Contender(base.runtime(base.openvino)),
    }


def import_needed(*packages: str) -> None:
    """Raises `Unavailable` unless all are installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(f"needs {' and '.join(missing)}: pip install '.[runtime]'")
