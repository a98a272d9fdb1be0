"""Kernels' threads: every piece once, several callers at once, errors raised, forks survived."""

import os
import threading

import pytest
import torch

from teachers.kernels import use_kernels
from teachers.rendering.fast.threads import in_parallel, slices
from teachers.rendering.triplane import Triplane


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_piece_is_done_once_by_no_more_threads_than_torch_has(threads):
    done, workers = [], set()

    def piece(number: int) -> None:
        workers.add(threading.get_ident())
        done.append(number)

    in_parallel(piece, 500)
    assert sorted(done) == list(range(500)) and len(workers) <= threads


def test_an_error_in_a_piece_is_raised_to_the_caller(threads):
    def piece(number: int) -> None:
        if number == 37:
            raise ZeroDivisionError("piece 37")

    with pytest.raises(ZeroDivisionError, match="piece 37"):
        in_parallel(piece, 100)


def test_a_piece_may_have_pieces_of_its_own(threads):
    sums: list[int] = []
    in_parallel(lambda outer: in_parallel(lambda inner: sums.append(inner), 10), 10)
    assert sum(sums) == 450


def test_slices_cover_a_length():
    assert slices(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert slices(0, 4) == []


def sampled(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    planes = torch.randn(1, 3, 16, 32, 32, generator=generator)
    with use_kernels("fast"):
        return Triplane(planes).sample(torch.rand(1, 20000, 3, generator=generator) - 0.5)


def test_threads_that_look_up_at_the_same_time_get_each_its_own(threads):
    expected = [sampled(seed) for seed in range(4)]
    got: dict[int, torch.Tensor] = {}
    with use_kernels("fast"):  # one choice for the process: set around all of them
        callers = [
            threading.Thread(target=lambda seed=seed: got.update({seed: sampled(seed)}))
            for seed in range(4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert all(torch.equal(got[seed], expected[seed]) for seed in range(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_looks_up_after_its_parent_did(threads):
    sampled(0)
    child = os.fork()
    if child == 0:
        try:
            in_parallel(lambda number: None, 50)
            torch.set_num_threads(1)  # as data workers have it: torch's OpenMP doesn't survive
            sampled(0)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
