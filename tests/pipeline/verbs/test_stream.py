"""trilift stream as a receiver: the film and the report of what was displayed."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.build.configuration import compose
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.streaming.normalisation import Normalisation
from pipeline.streaming.server import Limits
from pipeline.verbs.stream import main
from tests.pipeline.streaming.conftest import moving_planes
from tests.pipeline.streaming.served import Feed, served

av = pytest.importorskip("av", reason="no PyAV in this environment: pip install 'trilift[stream]'")


def test_what_is_displayed_becomes_a_film_as_long_as_it_took(tmp_path):
    student = student_file("bundled/puppets_tiny")
    lifter, stop = Lifter.load(student), threading.Event()
    code = Normalisation.read(student.with_suffix(".planes.json"))

    def publish(feed: Feed) -> None:
        for planes in moving_planes(16, 64, 1).repeat(1000, 1, 1, 1, 1):
            feed.publish(planes, key=True)
            if stop.wait(0.2):
                return

    with served(Limits()) as server:
        feed = Feed(server.broadcast, lifter, code)
        thread = threading.Thread(target=publish, args=(feed,), daemon=True)
        thread.start()
        given = ["output=" + str(tmp_path / "seen.mp4"), "report=" + str(tmp_path / "report.json")]
        for seconds in (4, 15, 60):  # a busy machine may display nothing within the first
            config = compose(
                "stream",
                f"address='{server.address}'",
                "checkpoint=bundled/puppets_tiny",
                "kernels=readable",
                f"seconds={seconds}",
                *given,
            )
            with ThreadPoolExecutor(
                1
            ) as aside:  # the loop of other tests' browser is this thread's
                aside.submit(main, config).result()
            report = json.loads((tmp_path / "report.json").read_text())
            if report["displayed"] > 2:
                break
        stop.set()
        thread.join(10)
    with av.open(str(tmp_path / "seen.mp4")) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        assert stream.average_rate == 30  # the stream's, of which fewer frames came
    gaps = report["displayed"] - 1
    took = gaps / report["latency"]["frames_per_second"]
    assert gaps >= 2 and frames / 30 == pytest.approx(took + 1 / 30, rel=0.1, abs=0.1)
