"""The GPU's script, rehearsed on a CPU."""

import time

import pytest
import torch

from tests.benchmarks import bench_gpu
from tests.benchmarks.measuring import Contender, Unavailable
from tests.benchmarks.rows import GPU
from tests.benchmarks.works_gpu import work


def test_the_rehearsal_measures_every_row_and_says_what_needs_a_gpu(tmp_path):
    document = bench_gpu.measure("cpu", "tiny", tmp_path, seconds=600)
    assert list(document["rows"]) == [row.name for row in GPU]
    for result in document["rows"].values():
        assert result["state"] == "done"
        contenders = result["contenders"]
        for name in ("fp32", "bf16", "bf16, channels-last"):
            assert contenders[name]["seconds"], contenders[name]
        errors = [one["values"].get("mean_error", 0.0) for name, one in contenders.items()
                  if name.startswith(("bf16", "fp16")) and "values" in one]  # fmt: skip
        assert len(errors) == 2 and max(errors) < 0.05
        assert contenders["bf16, CUDA graph"]["unavailable"] == "CUDA graphs need a GPU"
    assert "≥ 100 frames/s" in (tmp_path / "bench-gpu.md").read_text()


def test_a_contender_that_fails_is_named():
    def broken():
        raise RuntimeError("no kernel image")

    with pytest.raises(Exception, match="failed: RuntimeError: no kernel image"):
        work(broken, torch.device("cpu"))()


def test_nothing_is_compiled_once_the_time_is_up():
    calls = []
    late = bench_gpu.not_after(time.monotonic() - 1, Contender(lambda: calls.append(1)))
    with pytest.raises(Unavailable, match="time was up"):
        late.work()
    in_time = bench_gpu.not_after(time.monotonic() + 60, Contender(lambda: calls.append(1)))
    in_time.work()
    assert calls == [1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_script_says_so(tmp_path):
    with pytest.raises(ValueError, match="no GPU"):
        bench_gpu.measure("cuda", "tiny", tmp_path, seconds=1)
