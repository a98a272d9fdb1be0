import threading

import pytest

from teachers.kernels import choose_kernels, fast_kernels, kernels, use_kernels


def test_readable_unless_chosen() -> None:
    assert kernels() == "readable" and not fast_kernels()


def test_a_block_restores_the_choice_after_an_error() -> None:
    with pytest.raises(RuntimeError), use_kernels("fast"):
        assert fast_kernels()
        raise RuntimeError
    assert not fast_kernels()


def test_other_threads_follow() -> None:
    seen = []
    with use_kernels("fast"):
        thread = threading.Thread(target=lambda: seen.append(kernels()))
        thread.start()
        thread.join()
    assert seen == ["fast"]


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'quick'.*readable or fast"):
        choose_kernels("quick")
