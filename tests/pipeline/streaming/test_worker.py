"""Codecs in processes of their own: a hang or a death costs a picture, not the stream."""

import os
import time

import numpy as np
import pytest

from pipeline.streaming.codecs import CodecSettings, PlaneEncoder
from pipeline.streaming.coding import DecoderProcess, EncoderProcess
from pipeline.streaming.tiling import Grid
from pipeline.streaming.worker import Worker, WorkerLost


def fragile():
    """Answers numbers; hangs, dies and refuses as asked."""

    def answer(request):
        if request == "hang":
            time.sleep(60)
        if request == "die":
            os._exit(3)
        if request == "refuse":
            raise ValueError("not this one")
        return request + 1

    return answer


def test_a_worker_that_hangs_or_dies_is_replaced():
    with Worker(fragile, seconds=0.5) as worker:
        assert worker(1) == 2
        with pytest.raises(ValueError, match="not this one"):
            worker("refuse")
        assert worker.restarts == 0
        for request, said in (("hang", "no answer"), ("die", "died")):
            with pytest.raises(WorkerLost, match=said):
                worker(request)
            assert worker(1) == 2
        assert worker.restarts == 2


def test_pictures_go_through_two_processes_and_damage_waits_for_a_key_frame():
    grid = Grid(24, 16)
    picture = np.full((grid.height, grid.width), 600, np.uint16)
    encoder = EncoderProcess(grid, CodecSettings())
    decoder = DecoderProcess(grid, "h264")
    try:
        first = encoder.start().encode(picture)
        assert first.is_key
        assert abs(int(decoder.decode(first.data, is_key=True)[0, 0]) - 600) < 4
        with pytest.raises(ValueError, match="damaged"):
            decoder.decode(b"\x00\x00\x00\x01\xff" * 9, is_key=False)
        assert decoder.decode(encoder.encode(picture).data, is_key=False) is None
        encoder.change(CodecSettings(kilobits_per_second=300))
        again = encoder.encode(picture)
        assert again.is_key
        assert decoder.decode(again.data, is_key=True) is not None
    finally:
        encoder.close()
        decoder.close()


def test_settings_that_the_codec_refuses_come_back_as_a_sentence():
    encoder = EncoderProcess(Grid(24, 16), CodecSettings(preset="slowest"))
    with pytest.raises(ValueError, match="refuses"):
        encoder.start()
    encoder.close()
    with pytest.raises(ValueError, match="refuses"):
        PlaneEncoder(Grid(24, 16), CodecSettings(preset="slowest"))
