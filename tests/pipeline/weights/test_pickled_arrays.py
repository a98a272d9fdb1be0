"""Arrays come out of a pickle as they went in; everything else is refused without being run."""

import os
import pickle

import numpy as np
import pytest

from pipeline.weights.pickled_arrays import read_arrays

ARRAYS = {"Net_0": {"Conv_0": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4)}}}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_nested_arrays_come_out_by_their_path(protocol):
    if protocol == 2:  # bytes are text there, through a call of codecs
        with pytest.raises(ValueError, match="refused"):
            read_arrays(pickle.dumps(ARRAYS, protocol))
        return
    found = read_arrays(pickle.dumps(ARRAYS, protocol))
    assert list(found) == ["Net_0/Conv_0/kernel"]
    np.testing.assert_array_equal(found["Net_0/Conv_0/kernel"], ARRAYS["Net_0"]["Conv_0"]["kernel"])


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


@pytest.mark.parametrize(
    "value",
    [{"a": Hostile()}, {"a": 3}, {"a": np.arange(3)}, {"a": np.zeros(2, ">f4")}, {"a": object()}],
)
def test_other_content_is_refused(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError):
        read_arrays(pickle.dumps(value, 3))
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_pickle_is_refused():
    whole = pickle.dumps(ARRAYS, 3)
    for end in range(0, len(whole) - 1, 5):
        with pytest.raises(ValueError):
            read_arrays(whole[:end])
