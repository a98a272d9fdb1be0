"""Rows on a GPU: the same work in several precisions, memory layouts and ways of launching it.

Every function takes a scale and a device; on a CPU ("tiny" in tests) what needs a GPU is said to be
unavailable.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.build.configuration import compose, instantiate
from tests.benchmarks import baseline
from tests.benchmarks.measuring import Contender, Timing, Unavailable, Work
from tests.benchmarks.works_teacher import Scene
from tests.builders import STUDENT_SETTINGS

Call = Callable[[], Any]
Build = Callable[[], tuple[Call, nn.Module]]
"""Makes a call, and names the network in it."""

PRECISIONS: Mapping[str, torch.dtype | None] = {
    "fp32": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""Of convolutions and matrix products, by autocast; the planes' look-up stays float32."""


def image(scale: str, device: torch.device) -> dict[str, Contender]:
    """A 512² teacher image."""
    return images(scale, device, 1)


def image_batch(scale: str, device: torch.device) -> dict[str, Contender]:
    """Eight 512² teacher images at once."""
    return images(scale, device, 8 if scale == "full" else 2)


def images(scale: str, device: torch.device, batch: int) -> dict[str, Contender]:
    """Every way of making a batch of images."""

    def build() -> tuple[Call, nn.Module]:
        scene = moved(Scene(scale, batch), device)
        return scene.image, scene.teacher

    scene = moved(Scene(scale, batch), device)
    return {
        "baseline": Contender(work(scene.baseline_image, device)),
        **ways(build, device),
    }


def sampling(scale: str, device: torch.device) -> dict[str, Contender]:
    """Samples of two cameras; the baseline makes two whole images for each."""
    batch = 8 if scale == "full" else 2

    def build() -> tuple[Call, nn.Module]:
        scene = moved(Scene(scale, batch), device)
        return scene.two_views, scene.teacher

    scene = moved(Scene(scale, batch), device)

    def twice() -> None:
        scene.baseline_image()
        baseline.image(scene.teacher, scene.ws, scene.other, scene.jitter)

    return {"baseline": Contender(work(twice, device)), **ways(build, device)}


def encode(scale: str, device: torch.device) -> dict[str, Contender]:
    """One photograph to planes, by the paper's student."""

    def build() -> tuple[Call, nn.Module]:
        encoder, shown = student(scale, device)
        return lambda: encoder(shown), encoder

    return ways(build, device)


def frames(scale: str, device: torch.device) -> dict[str, Contender]:
    """A photograph to planes to a new 512² view: a frame of a live demo."""

    def build() -> tuple[Call, nn.Module]:
        encoder, shown = student(scale, device)
        scene = moved(Scene(scale), device)
        with torch.no_grad():
            like = scene.teacher.synthesize(scene.ws)

        def frame() -> Tensor:
            planes = encoder(shown).float()
            fits = planes.shape == like.planes.shape  # only not so in the tiny size
            return scene.view(like.with_planes(planes) if fits else like, scene.camera)

        return frame, nn.ModuleList([encoder, scene.teacher])

    return ways(build, device)


def student(scale: str, device: torch.device) -> tuple[nn.Module, Tensor]:
    """The encoder with random weights, the same at each call, and its input."""
    settings = ["student=base"] if scale == "full" else ["student=tiny", *STUDENT_SETTINGS]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder: nn.Module = instantiate(compose("distill", *settings).student)
        side = int(getattr(encoder, "image_size"))  # noqa: B009 (nn.Module types it Tensor)
        image = torch.randn(1, 3, side, side)
    return encoder.eval().to(device), image.to(device)


def moved(scene: Scene, device: torch.device) -> Scene:
    """A scene on a device."""
    scene.teacher.to(device)
    scene.ws, scene.camera, scene.other = (
        part.to(device) for part in (scene.ws, scene.camera, scene.other)
    )
    scene.jitter = type(scene.jitter)(
        *(None if part is None else part.to(device)
          for part in (scene.jitter.coarse, scene.jitter.fine))
    )  # fmt: skip
    return scene


def ways(build: Build, device: torch.device) -> dict[str, Contender]:
    """A call in every precision, with TF32, with channels last, as a CUDA graph, and compiled.

    Errors are relative to the first, in fp32.
    """
    call, _ = build()
    reference: list[Tensor] = []

    def contender(made: Call) -> Contender:
        return Contender(work(made, device, reference))

    half = in_precision(call, device, torch.bfloat16)
    return {
        **{
            name: contender(in_precision(call, device, dtype)) for name, dtype in PRECISIONS.items()
        },
        "tf32": contender(with_tf32(in_precision(call, device, None), device)),
        "bf16, channels-last": contender(made_once(lambda: channels_last(build, device))),
        "bf16, CUDA graph": contender(made_once(lambda: graphed(half, device))),
        "bf16, compiled": contender(made_once(lambda: compiled(half, device))),
    }


def work(call: Call, device: torch.device, reference: list[Tensor] | None = None) -> Work:
    """A work that ends when the device has, and reports memory and error. A failure takes its
    contender out, not the others.

    Args:
        call: what is timed.
        device: where.
        reference: what the first contender's first call made, to which errors are.
    """
    known: dict[str, float] = {}

    def run() -> Timing:
        if not known and device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        started = time.perf_counter()
        try:
            found = call()
            synchronize(device)
        except Unavailable:
            raise
        except Exception as error:
            raise Unavailable(f"failed: {type(error).__name__}: {str(error)[:120]}") from error
        seconds = time.perf_counter() - started
        if not known:
            known["peak_gb"] = (
                torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
            )
            if reference is not None and isinstance(found, Tensor):
                known.update(errors(found, reference))
        return Timing(seconds, values=known)

    return run


def errors(found: Tensor, reference: list[Tensor]) -> dict[str, float]:
    """Mean and largest error in deviations of the reference, which the first call becomes."""
    if not reference:
        reference.append(found.detach().float().clone())
        return {}
    error = (found.float() - reference[0]).abs() / reference[0].std()
    return {"mean_error": float(error.mean()), "max_error": float(error.max())}


def in_precision(call: Call, device: torch.device, dtype: torch.dtype | None) -> Call:
    """The call without gradients, under autocast to a dtype."""

    @torch.no_grad()
    def run() -> Any:
        if dtype is torch.float16 and device.type == "cpu":
            raise Unavailable("fp16 is measured on a GPU")
        with autocast(device, dtype):
            return call()

    return run


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Autocast to a dtype; None: none."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def with_tf32(call: Call, device: torch.device) -> Call:
    """The call with TF32 in matrix products and convolutions."""

    def run() -> Any:
        if device.type != "cuda":
            raise Unavailable("TF32 needs a GPU")
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        try:
            return call()
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before

    return run


def channels_last(build: Build, device: torch.device) -> Call:
    """A call of its own in bf16, whose network has that layout."""
    call, network = build()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return in_precision(call, device, torch.bfloat16)


def made_once(make: Callable[[], Call]) -> Call:
    """A call that is made by its first use."""
    made: list[Call] = []

    def run() -> Any:
        if not made:
            made.append(make())
        return made[0]()

    return run


def graphed(call: Call, device: torch.device) -> Call:
    """The call, captured as a CUDA graph."""
    if device.type != "cuda":
        raise Unavailable("CUDA graphs need a GPU")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call()

    def replay() -> Any:
        graph.replay()
        return output

    return replay


def compiled(call: Call, device: torch.device) -> Call:
    """The call by torch.compile, with CUDA graphs where they are possible."""
    if device.type != "cuda":
        raise Unavailable("compiling is measured on a GPU")
    return torch.compile(call, mode="reduce-overhead")


def synchronize(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
