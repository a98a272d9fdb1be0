"""Errors of the system name the path that the user gave, in every verb, and leave nothing half
written.
"""

import errno
import importlib
import json
import os
import resource
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from pipeline.build.application import _message
from pipeline.build.configuration import USER_ERRORS, compose
from pipeline.runs.files import replaced_folder

LABEL = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 4.2, 0, 0.5, 0, 4.2, 0.5, 0, 0, 1]

WRITING = {
    "prepare": ("output", ("input={}/a.png", "portraits=centre")),
    "lift": ("output", ("input={}/a.png", "portraits=centre", "turntable.frames=1")),
    "cameras": ("output", ("input={}/dataset.json", "to=opengl")),
    "manifest": ("output", ("input={}/a.png", "portraits=centre")),
    "provenance": ("folder", ("action=init",)),
}
READING = {
    **dict.fromkeys(("prepare", "lift"), ("input", ("output={}/out",))),
    **dict.fromkeys(("convert", "check"), ("checkpoint", ("output={}/out",))),
    "licenses": ("file", ()),
    "cameras": ("input", ()),
    "manifest": ("check", ()),
    "evaluate": ("verify", ()),
}


@pytest.fixture
def place(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["a.png", LABEL]] * 1}))
    (tmp_path / "file").write_text("in the way")
    return tmp_path


def said(place, verb, settings, key, value):
    """The line that the verb ends with."""
    settings = [setting.format(place) for setting in settings]
    if verb == "check":
        settings = []
    with pytest.raises(USER_ERRORS) as caught:
        importlib.import_module(f"pipeline.verbs.{verb}").main(
            compose(verb, *settings, f"{key}={value}")
        )
    return _message(caught.value)


@contextmanager
def full_disk():
    """No file may grow beyond some bytes, as on a disk without space."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("verb", WRITING)
def test_a_place_that_cannot_be_written_is_named(place, verb):
    key, settings = WRITING[verb]
    long, below = place / ("x" * 300 + ".json"), place / "file" / "x.json"
    line = said(place, verb, settings, key, long)
    assert "x" * 300 in line and line.endswith("file name too long: give a shorter name")
    line = said(place, verb, settings, key, below)
    assert str(place / "file") in line and line.endswith(": a part of the path is a file")


@pytest.mark.parametrize("verb", ["cameras", "provenance"])
def test_a_full_disk_is_named_and_the_same_command_works_afterwards(place, verb):
    key, settings = WRITING[verb]
    given = place / ("new" if verb == "provenance" else "new.json")
    with full_disk():
        line = said(place, verb, settings, key, given)
    assert str(given) in line and "file too large" in line
    settings = [setting.format(place) for setting in settings]
    importlib.import_module(f"pipeline.verbs.{verb}").main(
        compose(verb, *settings, f"{key}={given}")
    )


@pytest.mark.parametrize("verb", READING)
def test_a_path_that_cannot_be_read_is_named(place, verb):
    key, settings = READING[verb]
    line = said(place, verb, settings, key, place / ("x" * 300))
    assert "x" * 300 in line and "\n" not in line.strip()


def test_an_error_without_a_path_still_says_what_to_do(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert _message(full) == "no space left on device: free some space, or choose another place"
    with pytest.raises(OSError) as caught, replaced_folder(tmp_path / "teacher"):
        raise full
    assert caught.value.filename == str(tmp_path / "teacher") and not list(tmp_path.iterdir())
