"""A stream over a network that loses and delays packets: late, but whole."""

import pytest

from tests.bad_network import NEEDS_NAMESPACES
from tests.benchmarks.stream_network import WEATHERS, film, received, streaming


@pytest.mark.slow
@NEEDS_NAMESPACES
def test_with_five_percent_lost_and_a_tenth_of_a_second_every_packet_that_comes_is_whole(tmp_path):
    with streaming(film(tmp_path), None, tmp_path) as (network, address):
        network.weather = WEATHERS["5 % lost, 100 ± 50 ms"]
        for seconds in (8.0, 16.0, 32.0):  # on a busy machine the first shows few frames
            report = received(network, address, seconds, tmp_path)
            assert (report["malformed"], report["damaged"]) == (0, 0)
            if report["displayed"] >= 3:
                break
    assert network.lost > 0.02 * network.passed
    assert report["displayed"] >= 3
    assert report["latency"]["milliseconds"]["capture to display"]["p50"] > 100
