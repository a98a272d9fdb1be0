"""Draws docs/streaming.png and prints the table of docs/streaming.md: bits against the fidelity of
rendered views, for planes through video codecs, for tiles as JPEG, and for the 2D picture that is
lifted at the receiver.

Run from the repository's root, with the extra `stream`: `python docs/figures/streaming.py` (ten
minutes on two cores, no GPU). `--calibrate bundled/puppets_tiny` only makes the normalisation
beside a student, from 64 training identities of its world.

The reference is the render of the uncompressed planes, from three cameras; the source is three
seconds of two test puppets at 30 frames a second.
"""

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor

from pipeline.evaluation.metrics.image_metrics import psnr, ssim
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.losses.perceptual import PerceptualLoss
from pipeline.pictures import from_uint8, to_uint8
from pipeline.streaming.codecs import CodecSettings, PlaneDecoder, PlaneEncoder, require_av
from pipeline.streaming.coding import DecoderProcess, EncoderProcess
from pipeline.streaming.normalisation import Normalisation, calibrate, gram, planes_file
from pipeline.streaming.tiling import Grid
from pipeline.worlds.opening import open_world
from pipeline.worlds.puppets.sequences import render_sequence
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import choose_kernels
from teachers.untrained import untrained_teacher

OUTPUT = Path(__file__).resolve().parents[1] / "streaming.png"
STUDENT = "bundled/puppets_tiny"
IDENTITIES, FRAMES, FPS, EVERY = (3, 8), 90, 30, 6
ANGLES = ((0.0, 0.0), (0.35, 0.1), (-0.35, -0.1))
GOAL_DB, GOAL_KBITS = 35.0, 5000.0


@dataclass
class Point:
    """One method at one quality: means over sequences."""

    method: str
    quality: float
    kbits: float
    largest_kb: float
    psnr: float
    ssim: float
    lpips: float | None
    encode_ms: float
    decode_ms: float


class Judge:
    """Renders planes of every sixth frame and compares with the render of the uncompressed."""

    def __init__(self, lifter: Lifter, weights: Path) -> None:
        self.lifter, self.lpips = lifter, None
        self.cameras = [
            lifter.passport.orbit(torch.tensor([yaw]), torch.tensor([pitch]))
            for yaw, pitch in ANGLES
        ]
        try:
            self.lpips = PerceptualLoss(weights_folder=weights, network="alexnet")
        except FileNotFoundError as error:
            print(f"LPIPS is left out: {error}")

    @torch.no_grad()
    def views(self, planes: Tensor) -> Tensor:
        """Of every `EVERY`-th frame, from every camera."""
        triplane = self.lifter.passport.triplane(planes)
        return torch.cat(
            [
                self.lifter.render(triplane[row : row + 1], camera).image.clamp(-1, 1)
                for row in range(0, len(planes), EVERY)
                for camera in self.cameras
            ]
        )


def planes_by_codec(codec: str, code: Normalisation) -> Callable:
    """Planes through a codec of `pipeline.streaming`."""

    def run(images: Tensor, planes: Tensor, quality: float) -> Iterator[tuple]:
        grid = Grid(len(code), planes.shape[-1])
        settings = CodecSettings(
            codec=codec,
            quality=quality,
            frames_per_second=FPS,
            kilobits_per_second=50_000,
        )
        encoder = PlaneEncoder(grid, settings)
        decoder = PlaneDecoder(grid, codec)
        for one in planes:
            started = time.perf_counter()
            data = encoder.encode(grid.picture(code.levels(one))).data
            between = time.perf_counter()
            decoded = code.planes(grid.levels(decoder.decode(data)))
            yield decoded, len(data), between - started, time.perf_counter() - between

    return run


def planes_by_jpeg(code: Normalisation) -> Callable:
    """Each frame's tiles as one 8-bit grey JPEG."""

    def run(images: Tensor, planes: Tensor, quality: float) -> Iterator[tuple]:
        grid = Grid(len(code), planes.shape[-1])
        for one in planes:
            started = time.perf_counter()
            buffer = io.BytesIO()
            levels = (grid.picture(code.levels(one)) / 1023 * 255).round().astype(np.uint8)
            Image.fromarray(levels).save(buffer, "JPEG", quality=int(quality))
            between = time.perf_counter()
            read = np.asarray(Image.open(buffer)).astype(np.float32) / 255 * 1023
            decoded = code.planes(grid.levels(read.round().astype(np.uint16)))
            size = len(buffer.getvalue())
            yield decoded, size, between - started, time.perf_counter() - between

    return run


def picture_lifted_there(lifter: Lifter) -> Callable:
    """The 2D picture through 8-bit H.264, lifted by the receiver (decoding includes the lift)."""

    def run(images: Tensor, planes: Tensor, quality: float) -> Iterator[tuple]:
        av = require_av("libx264")
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width = encoder.height = images.shape[-1]
        encoder.pix_fmt = "yuv444p"
        encoder.framerate, encoder.time_base = Fraction(FPS), Fraction(1, FPS)
        encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(quality)}
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        for number, image in enumerate(images):
            started = time.perf_counter()
            frame = av.VideoFrame.from_ndarray(to_uint8(image), format="rgb24")
            frame.pts = number
            (packet,) = encoder.encode(frame)
            between = time.perf_counter()
            (shown,) = decoder.decode(packet)
            picture = from_uint8(shown.to_ndarray(format="rgb24"))
            with torch.no_grad():
                decoded = lifter.lift(picture[None]).planes[0]
            yield decoded, packet.size, between - started, time.perf_counter() - between

    return run


def main() -> None:
    """Measures, prints, draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", metavar="STUDENT")
    weights = Path(os.environ.get("TRILIFT_WEIGHTS", "weights"))
    parser.add_argument(
        "--weights", type=Path, default=weights, help="of `trilift weights alexnet`"
    )
    parser.add_argument("--load", action="store_true", help="96 tiles of 256² instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["SVT_LOG"] = "1"
    choose_kernels("fast")
    if given.load:
        load_test()
        return
    file = student_file(given.calibrate or STUDENT)
    lifter = Lifter.load(file).requires_grad_(False)
    people = planes_of_people(lifter)
    if given.calibrate:
        calibrate(lifter, people).save(planes_file(file))
        return
    code = Normalisation.read(planes_file(file))
    judge = Judge(lifter, given.weights)
    clips = [clip(lifter, number) for number in IDENTITIES]
    methods = {
        "planes, H.264 (x264, 10-bit)": (planes_by_codec("h264", code), (2, 6, 10, 14, 18, 24)),
        "… a gain for each channel": (
            planes_by_codec("h264", by_channel(lifter, people)),
            (2, 6, 10, 14, 18, 24),
        ),
        "… every channel at full range": (
            planes_by_codec("h264", full_range(people)),
            (6, 10, 14, 18, 24, 30),
        ),
        "planes, AV1 (SVT, 10-bit, rtc)": (planes_by_codec("av1", code), (2, 6, 12, 20, 30)),
        "planes, JPEG of each frame": (planes_by_jpeg(code), (95, 70)),
        "2D picture, lifted there": (picture_lifted_there(lifter), (6, 18, 30)),
    }
    points = [
        measured(judge, clips, name, run, quality)
        for name, (run, qualities) in methods.items()
        for quality in qualities
    ]
    drawn(points, list(methods))


def planes_of_people(lifter: Lifter) -> Tensor:
    """Of 64 training identities of the student's world from as many angles."""
    seeds = WorldSeeds.of(Split.TRAIN, range(64))
    camera = lifter.passport.orbit(torch.linspace(-0.5, 0.5, 64), torch.zeros(64))
    world = open_world("heads" if lifter.passport.name == "heads" else "puppets")
    return lifted(lifter, world.render(seeds, camera, 64).image(1.0))


def by_channel(lifter: Lifter, people: Tensor) -> Normalisation:
    """Gains in proportion to what is seen of each channel by itself, for comparison."""
    channels = people.flatten(1, 2)
    low, high = channels.amin((0, 2, 3)), channels.amax((0, 2, 3))
    seen = gram(lifter, people).diagonal(dim1=1, dim2=2).sqrt().flatten().float()
    gain = seen * (512 / (1.3 * (high - low) / 2 * seen).amax())
    return Normalisation.affine(gain.tolist(), ((low + high) / 2).tolist())


def full_range(people: Tensor) -> Normalisation:
    """Each channel at the range that it has, for comparison."""
    channels = people.flatten(1, 2)
    low, high = channels.amin((0, 2, 3)), channels.amax((0, 2, 3))
    gain = 1023 / ((high - low) * 1.3)
    return Normalisation.affine(gain.tolist(), ((low + high) / 2).tolist())


def clip(lifter: Lifter, number: int) -> tuple[Tensor, Tensor]:
    """A sequence's pictures and planes."""
    seeds = WorldSeeds.of(Split.TEST, [number])
    images = render_sequence(PuppetWorld(), seeds, FRAMES, 64, fps=FPS).image(1.0)
    return images, lifted(lifter, images)


@torch.no_grad()
def lifted(lifter: Lifter, images: Tensor) -> Tensor:
    """Planes, one by one."""
    return torch.cat([lifter.lift(image[None]).planes for image in images])


def measured(judge: Judge, clips: list, method: str, run: Callable, quality: float) -> Point:
    """Bits and fidelity of one method at one quality; prints a row."""
    rows = []
    for images, planes in clips:
        outcomes = list(run(images, planes, quality))
        decoded = torch.stack([outcome[0] for outcome in outcomes])
        sizes, encode, decode = (np.array([o[n] for o in outcomes]) for n in (1, 2, 3))
        views, reference = judge.views(decoded), judge.views(planes)
        rows.append(
            [
                sizes.sum() * 8 * FPS / FRAMES / 1000,
                sizes.max() / 1000,
                float(psnr(views, reference).mean()),
                float(ssim(views, reference).mean()),
                np.nan if judge.lpips is None else float(judge.lpips.compare(views, reference)),
                1000 * np.median(encode),
                1000 * np.median(decode),
            ]
        )
    kbits, largest, db, similar, distance, encode_ms, decode_ms = np.mean(rows, 0)
    lpips = None if np.isnan(distance) else float(distance)
    point = Point(method, quality, kbits, largest, db, similar, lpips, encode_ms, decode_ms)
    shown = "–" if lpips is None else f"{lpips:.4f}"
    print(
        f"| {method} | {quality:g} | {kbits:.0f} | {largest:.1f} | {db:.1f} | {similar:.4f} |"
        f" {shown} | {encode_ms:.1f} | {decode_ms:.1f} |",
        flush=True,
    )
    return point


def load_test() -> None:
    """Sizes and times of planes of 3 × 32 × 256² that change slowly, in worker processes."""
    teacher = untrained_teacher({"image_resolution": 512, "render_resolution": 128})
    latents = torch.randn(2, 512, generator=torch.Generator().manual_seed(0))
    camera = teacher.passport.orbit(torch.zeros(2))
    with torch.no_grad():
        first, last = teacher.synthesize(teacher.map_latents(latents, camera)).planes
    deviation = first.flatten(0, 1).std((1, 2)).clamp(min=1e-6)
    mean = first.flatten(0, 1).mean((1, 2))
    code = Normalisation.affine((80 / deviation).tolist(), mean.tolist())
    grid = Grid(96, 256)
    for quality in (12, 24, 30):
        settings = CodecSettings(quality=quality, kilobits_per_second=20_000, threads=2)
        encoder = EncoderProcess(grid, settings, seconds=60).start()
        decoder = DecoderProcess(grid, "h264", seconds=60).start()
        sizes, times, error = [], [], []
        for frame in range(30):
            picture = grid.picture(code.levels(torch.lerp(first, last, frame / 300)))
            started = time.perf_counter()
            coded = encoder.encode(picture)
            between = time.perf_counter()
            seen = decoder.decode(coded.data, is_key=coded.is_key)
            times.append((between - started, time.perf_counter() - between))
            sizes.append(len(coded.data))
            error.append(((seen.astype(np.float32) - picture) ** 2).mean())
        encode_ms, decode_ms = 1000 * np.median(times, 0)
        print(
            f"| {quality} | {np.sum(sizes[1:]) * 8 / 29 * FPS / 1e6:.1f} Mbit/s |"
            f" {sizes[0] / 1000:.0f} kB | {10 * np.log10(80**2 / np.mean(error)):.1f} dB |"
            f" {encode_ms:.0f} ms | {decode_ms:.0f} ms |",
            flush=True,
        )
        encoder.close()
        decoder.close()


def drawn(points: list[Point], methods: list[str]) -> None:
    """The curves."""
    figure, axes = plt.subplots(figsize=(7.2, 4.4), dpi=110)
    for method in methods:
        own = sorted((p for p in points if p.method == method), key=lambda p: p.kbits)
        axes.plot([p.kbits for p in own], [p.psnr for p in own], "o-", label=method, ms=4)
    axes.axhline(GOAL_DB, color="grey", lw=0.8)
    axes.axvline(GOAL_KBITS, color="grey", lw=0.8)
    axes.set(xscale="log", xlabel="kbit/s at 30 frames/s", ylabel="PSNR of rendered views, dB")
    axes.set_title("Against the render of the uncompressed planes (3 × 16 × 64²)", fontsize=10)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(OUTPUT)


if __name__ == "__main__":
    main()
