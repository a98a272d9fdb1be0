"""An encoder's run by every program, beside torch: time in turn in one process, peak memory in one
process each, and with `--parity` how near their planes and views are.

`python -m tests.benchmarks.bench_networks tiny|light|base [--rounds N] [--threads N]` writes
tests/benchmarks/results/networks_SIZE.json and prints a table. The weights are random, the images
noise: neither changes the time. Exported files and torch's compiled code stay in build/networks, so
that a second call measures only.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.build.configuration import compose, instantiate
from pipeline.exporters.networks.export import Settings, export_network, puppets
from pipeline.inference.runtimes.exported import encoder_graph
from pipeline.inference.runtimes.network_file import write_onnx
from pipeline.inference.runtimes.onnx_graph import onnx_model, traced
from pipeline.inference.runtimes.packed import PackedEncoder
from pipeline.inference.runtimes.sessions import OnnxRuntime, OpenVino, Session
from pipeline.lifter import Lifter, Recipe
from tests.benchmarks.machine import ROOT, machine
from tests.benchmarks.measuring import Contender, Timing, Work, paired_ratio, take_turns

WORK = ROOT / "build" / "networks"

Run = Callable[[Tensor], Tensor]


def encoder_of(size: str) -> nn.Module:
    """Random weights, always the same."""
    torch.manual_seed(0)
    encoder: nn.Module = instantiate(compose("distill", f"student={size}").student).eval()
    return encoder


def image_of(size: str) -> Tensor:
    """Noise of the encoder's size, for processes without an encoder, too."""
    side = int(compose("distill", f"student={size}").student.image_size)
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def exported(size: str) -> Path:
    """The encoder's file, made once."""
    path = WORK / f"{size}.onnx"
    if not path.exists():
        encoder = encoder_of(size)
        graph = encoder_graph(encoder, image_of(size).shape[-1])
        write_onnx(onnx_model(graph, traced(graph)), path)
    return path


def compiled(size: str) -> Run:
    """By torch.compile, whose cache is kept."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(WORK / "inductor")
    return torch.compile(encoder_of(size))


def opened(session: Session, size: str, batch: int | None = 1) -> Run:
    """By another program."""
    session.open(exported(size), batch=batch)
    return lambda image: session(image)[0]


CONTENDERS: dict[str, Callable[[str], Run]] = {
    "torch": encoder_of,
    "torch, packed": lambda size: PackedEncoder(encoder_of(size)),
    "torch.compile": compiled,
    "ONNX Runtime": lambda size: opened(OnnxRuntime(), size),
    "OpenVINO": lambda size: opened(OpenVino(), size),
    "OpenVINO, any batch": lambda size: opened(OpenVino(), size, None),
}
"""The first is what the others are compared with."""


def work_of(name: str, size: str, image: Tensor, expected: list[Tensor]) -> Work:
    """A contender, made by its first call; reports its largest difference from the first one."""
    made: list[Run] = []

    @torch.no_grad()
    def work() -> Timing:
        if not made:
            made.append(CONTENDERS[name](size))
        found = made[0](image)
        if not expected:
            expected.append(found)
        error = (found - expected[0]).abs().max() / expected[0].std()
        return Timing(values={"max_error": float(error)})

    return work


def peak_of(name: str, size: str) -> float:
    """GB of a process that makes the contender and runs it twice."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_networks", size, "--alone", name,
               "--threads", str(torch.get_num_threads())]  # fmt: skip
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(run.stdout.splitlines()[-1])


@torch.no_grad()
def alone(name: str, size: str) -> None:
    """Of such a process."""
    run, image = CONTENDERS[name](size), image_of(size)
    for _ in range(2):
        run(image)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def parity(size: str, formats: tuple[str, ...]) -> bool:
    """Exports the encoder of an untrained teacher's student, and compares it as `trilift export`
    does: one puppet, alone and twice in a batch.
    """
    teacher = instantiate(compose("distill", f"student={size}", "teacher=untrained").teacher)
    encoder = encoder_of(size)
    passport = teacher.passport
    channels = 3 * passport.stored_channels
    # wide enough that the untrained decoder draws more than a plain colour
    encoder.calibrate(torch.zeros(channels), torch.full([channels], 20.0))
    recipe = Recipe("students.two_stage.TwoStageEncoder", {})
    lifter = Lifter.from_teacher(encoder=encoder, encoder_recipe=recipe, teacher=teacher).eval()
    chosen = Settings("encoder", formats, (2,))
    images = puppets(lifter, 1, int(image_of(size).shape[-1]))
    return export_network(lifter, chosen, images, WORK / size, print).is_within


def main() -> None:
    """Measures one size, prints and stores it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=["tiny", "light", "base"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    parser.add_argument("--parity", action="store_true", help="compare planes and views instead")
    parser.add_argument("--formats", nargs="+", default=["onnx", "openvino", "torch"])
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.alone:
        alone(given.alone, given.size)
        return
    if given.parity:
        sys.exit(not parity(given.size, tuple(given.formats)))
    exported(given.size)
    names = [name for name in CONTENDERS if name not in given.without]
    output = ROOT / "tests" / "benchmarks" / "results" / f"networks_{given.size}.json"
    document = json.loads(output.read_text()) if output.exists() else {"rows": {}}
    rows = document["rows"]
    document |= {"size": given.size, "threads": given.threads, "machine": machine()}
    if given.memory:
        for name in names:
            rows.setdefault(name, {})["peak_gb"] = peak_of(name, given.size)
    else:
        expected: list[Tensor] = []
        image = image_of(given.size)
        turns = {name: Contender(work_of(name, given.size, image, expected)) for name in names}
        records, document["state"] = take_turns(turns, rounds=given.rounds)
        first = records[names[0]].seconds
        for name, record in records.items():
            rows.setdefault(name, {}).update(
                seconds=record.seconds,
                processor_seconds=record.processor_seconds,
                times_as_fast=paired_ratio(first, record.seconds),
                max_error=record.values.get("max_error"),
            )
    output.write_text(json.dumps(document, indent=1) + "\n")
    for name, row in rows.items():
        clock, processor = (
            1000 * statistics.median(row.get(key) or [float("nan")])
            for key in ("seconds", "processor_seconds")
        )
        faster, peak = (row.get(key, float("nan")) for key in ("times_as_fast", "peak_gb"))
        print(
            f"{name:20} {clock:9.1f} ms, processor {processor:9.1f} ms, {faster:5.2f} ×,"
            f" {peak:5.2f} GB, error {row.get('max_error')}"
        )


if __name__ == "__main__":
    main()
