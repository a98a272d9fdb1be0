"""A bad network: two network namespaces, joined by a thread that loses and delays their packets.

Linux's netem would do it; kernels without CONFIG_NET_SCH_NETEM have none. Each namespace gets a TUN
device, whose other ends are file descriptors here: every IP packet passes through `_relay`. TCP's
retransmissions and congestion control are the kernel's own.
"""

import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from types import TracebackType

import pytest

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ADDRESSES = ("10.77.0.1", "10.77.0.2")

NEEDS_NAMESPACES = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or shutil.which("ip") is None,
    reason="network namespaces need root, /dev/net/tun and ip",
)


@dataclass
class Weather:
    """What happens to a packet, in each direction; may change while the network is in use.

    Attributes:
        loss: share of packets that never arrive.
        delay_ms: of the others.
        jitter_ms: the delay is drawn evenly from this far below to this far above.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0


class BadNetwork:
    """Two namespaces that reach each other by `ADDRESSES`.

    Args:
        weather: between them.
        congestion: control of TCP in the first one; None: the kernel's choice.
        seed: of losses and delays.

    Attributes:
        passed, lost: packets so far.
    """

    def __init__(self, weather: Weather, *, congestion: str | None = None, seed: int = 0) -> None:
        self.weather, self.congestion = weather, congestion
        self.passed = self.lost = 0
        self._chance = random.Random(seed)
        self.names = tuple(f"trilift{os.getpid()}{side}" for side in "ab")
        self._stop = threading.Event()

    def __enter__(self) -> "BadNetwork":
        self._ends: list[int] = []
        self._thread = threading.Thread(target=self._relay, daemon=True)
        try:
            for name, address in zip(self.names, ADDRESSES, strict=True):
                self._ends.append(_end_of(name, address))
            if self.congestion is not None:
                # cubic may not be allowed outside the first namespace; reno always is
                setting = f"net.ipv4.tcp_congestion_control={self.congestion}"
                _run(*self.within(0), "sysctl", "-qw", setting)
            self._thread.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        for end in self._ends:
            os.close(end)
        for name in self.names[: len(self._ends)]:
            _run("ip", "netns", "del", name)

    def within(self, side: int) -> list[str]:
        """What starts a command in one of the namespaces."""
        return ["ip", "netns", "exec", self.names[side]]

    def _relay(self) -> None:
        first, second = self._ends
        others = {first: second, second: first}
        waiting: list[tuple[float, int, int, bytes]] = []
        while not self._stop.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, end, data = heapq.heappop(waiting)
                os.write(end, data)
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.2
            for end in select.select(self._ends, [], [], min(rest, 0.2))[0]:
                data = os.read(end, 65_536)
                if self._chance.random() < self.weather.loss:
                    self.lost += 1
                    continue
                self.passed += 1
                spread = self.weather.jitter_ms * (2 * self._chance.random() - 1)
                due = time.monotonic() + (self.weather.delay_ms + spread) / 1000
                heapq.heappush(waiting, (due, self.passed, others[end], data))


def _end_of(name: str, address: str) -> int:
    """Makes a namespace with a TUN device; this side's end of that."""
    _run("ip", "netns", "add", name)
    device = name[-10:]
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    _run("ip", "link", "set", device, "netns", name)
    _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
    for link in (device, "lo"):
        _run("ip", "-n", name, "link", "set", link, "up")
    return end


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
