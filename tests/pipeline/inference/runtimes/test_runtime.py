"""Other runtimes compute torch's planes; where one can't run, one sentence says why."""

import importlib.util
import json

import pytest
import torch

from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.runtimes import lift_by
from pipeline.lifter import Lifter
from pipeline.runs import precision
from pipeline.runs.precision import has_bfloat16
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter

PARITY = """
import sys
from pathlib import Path

import torch

from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter

lifter = Lifter.load(Path(sys.argv[1]))
image = torch.rand(1, 3, 32, 32) * 2 - 1
expected = Reconstructor(lifter).lift(image).triplane.planes
for runtime in sys.argv[2:]:
    other = Reconstructor(lifter, runtime=runtime)
    for given in (image, image.contiguous(memory_format=torch.channels_last)):
        found = other.lift(given).triplane.planes
        difference = (found - expected).abs().max()
        assert difference < 1e-4 * expected.std(), (runtime, difference)
    try:
        other.lift(torch.zeros(1, 3, 64, 64))
    except ValueError as error:
        print(error)
"""


BFLOAT16 = """
import json
import sys
from pathlib import Path

import torch

from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter

lifter = Lifter.load(Path(sys.argv[1]))
image = torch.rand(1, 3, 32, 32) * 2 - 1
expected = Reconstructor(lifter).lift(image).triplane.planes
found = {}
for runtime in ("torch", "openvino"):
    try:
        reconstructor = Reconstructor(lifter, runtime=runtime, bfloat16=True)
    except ValueError as error:
        found[runtime] = str(error)
        continue
    planes = reconstructor.lift(image).triplane.planes
    assert planes.dtype == torch.float32
    found[runtime] = float((planes - expected).abs().mean() / expected.std())
print(json.dumps(found))
"""


def lifter() -> Lifter:
    return tiny_lifter(ToyTeacher(resolution=8)).eval()


def test_other_runtimes_compute_the_same_planes_and_keep_their_file(
    untrained_student, tmp_path, fork_server
):
    for name in ("onnxruntime", "openvino", "onnxscript"):
        pytest.importorskip(name)
    cache, made = tmp_path / "cache", []
    for attempt in range(2):
        said = fork_server.run(
            PARITY,
            *(str(untrained_student), "onnx", "openvino"),
            output=tmp_path / f"said {attempt}",
            TRILIFT_CACHE=str(cache),
        )
        assert said.count("takes [1, 3, 32, 32]") == 2
        made.append({path: path.stat().st_mtime_ns for path in (cache / "encoders").iterdir()})
    assert made[0] == made[1], "the second process exported nothing"
    kept = sorted(path.name.partition(".")[2] for path in made[0])
    assert kept == ["onnx", "onnxruntime.json", "openvino.json"]


def test_in_bfloat16_planes_are_near_those_in_float32(untrained_student, tmp_path, fork_server):
    for name in ("openvino", "onnxscript"):
        pytest.importorskip(name)
    said = fork_server.run(
        BFLOAT16,
        str(untrained_student),
        output=tmp_path / "said",
        TRILIFT_CACHE=str(tmp_path),
        TRILIFT_EMULATE_BFLOAT16="1",
    )
    found = json.loads(said.splitlines()[-1])
    if not has_bfloat16(torch.device("cpu")) and isinstance(found["openvino"], str):
        assert "computes nothing of" in found.pop("openvino")
    assert all(1e-5 < error < 0.05 for error in found.values()), found


def test_bfloat16_is_refused_where_it_is_emulated_and_by_a_program_without_it(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)
    monkeypatch.delenv(precision.EMULATE, raising=False)
    with pytest.raises(ValueError, match="bfloat16=true asks for bfloat16, which this processor"):
        Reconstructor(lifter(), bfloat16=True)
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    with pytest.raises(ValueError, match="onnxruntime computes in the types of the file, float32"):
        Reconstructor(lifter(), runtime="onnx", bfloat16=True)


@pytest.mark.parametrize(("runtime", "extra"), [("onnxruntime", "onnx"), ("openvino", "openvino")])
def test_a_runtime_that_is_not_installed_names_its_extra(runtime, extra, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"runtime={runtime} needs .*trilift\[{extra}\]"):
        Reconstructor(lifter(), runtime=runtime)


def test_an_unknown_runtime_is_refused():
    with pytest.raises(ValueError, match="runtime is 'tensorrt': use torch, onnxruntime, openvino"):
        Reconstructor(lifter(), runtime="tensorrt")


def test_others_than_torch_need_the_cpu():
    with pytest.raises(ValueError, match="on the CPU, the student is on meta: device=cpu"):
        lift_by("openvino", lifter().to("meta"), 32)


class Mirroring(Lifter):
    def lift(self, image):
        return super().lift(image.flip(-1))


def test_a_student_that_lifts_in_its_own_way_is_left_to_torch():
    student = lifter()
    student.__class__ = Mirroring
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = Lifter.lift(student, image.flip(-1)).planes
    assert torch.equal(Reconstructor(student).lift(image).triplane.planes, expected)
    with pytest.raises(ValueError, match="a Mirroring lifts in a way of its own"):
        lift_by("onnxruntime", student, 32)
