"""dlib's face recognition network out of its `.dat` file.

The format (dlib's `serialize.h`, Boost licence): an integer is a byte with its number of bytes (and
its sign in the highest bit), then these bytes; a string is its length and its bytes; a tensor is a
version, four dimensions and its numbers in single precision. Layers stand in the order in which a
picture passes them, each behind its name.
"""

import struct

import numpy as np

CONVOLUTION, AFFINE, LINEAR = b"con_4", b"affine_", b"fc_2"
"""Names of the layers that have weights."""

CONVOLUTIONS = 29


def read_dlib_resnet(data: bytes) -> dict[str, np.ndarray]:
    """Weights for `pipeline.losses.dlib_resnet.DlibResNet`, by its names.

    Raises:
        ValueError: it is another network, or damaged.
    """
    tensors: dict[str, np.ndarray] = {}
    position, channels, count = 0, 3, 0
    try:
        while (at := _behind(data, CONVOLUTION, position)) >= 0:
            numbers, position = _tensor(data, at)
            filters, side = _convolution(data, position)
            weight = numbers[:-filters].reshape(filters, channels, side, side)
            tensors[f"convolutions.{count}.weight"] = weight
            tensors[f"convolutions.{count}.bias"] = numbers[-filters:]
            numbers, position = _tensor(data, _behind(data, AFFINE, position))
            scale, shift = numbers.reshape(2, filters)
            tensors[f"scales.{count}"], tensors[f"shifts.{count}"] = scale, shift
            channels, count = filters, count + 1
        _, position = _integer(data, _behind(data, LINEAR, position))
        _, position = _integer(data, position)
        numbers, _ = _tensor(data, position)
        tensors["linear.weight"] = numbers.reshape(channels, -1).T
    except (struct.error, ValueError, IndexError) as error:
        raise ValueError(f"not dlib's face recognition network, or damaged: {error}") from error
    if count != CONVOLUTIONS:
        raise ValueError(f"{count} convolutions came, expected {CONVOLUTIONS}: another network")
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _behind(data: bytes, name: bytes, position: int) -> int:
    """The position behind the next layer's name; -1: there is none."""
    at = data.find(bytes([1, len(name)]) + name, position)
    return at if at < 0 else at + 2 + len(name)


def _integer(data: bytes, position: int) -> tuple[int, int]:
    control = data[position]
    size = control & 0x0F
    if size > 8 or position + 1 + size > len(data):
        raise ValueError(f"no integer at byte {position}")
    value = int.from_bytes(data[position + 1 : position + 1 + size], "little")
    return (-value if control & 0x80 else value), position + 1 + size


def _tensor(data: bytes, position: int) -> tuple[np.ndarray, int]:
    """The numbers, flat, and the position behind them."""
    version, position = _integer(data, position)
    size = 1
    for _ in range(4):
        length, position = _integer(data, position)
        size *= length
    if version != 2 or not 0 < size <= len(data) // 4 or position + 4 * size > len(data):
        raise ValueError(f"a tensor of version {version} with {size} numbers at byte {position}")
    return np.frombuffer(data, "<f4", size, position), position + 4 * size


def _convolution(data: bytes, position: int) -> tuple[int, int]:
    """Number of filters and side of the kernel, behind a convolution's tensor."""
    filters, position = _integer(data, position)
    height, position = _integer(data, position)
    width, _ = _integer(data, position)
    if height != width or not 0 < filters <= 4096:
        raise ValueError(f"a kernel of {height}x{width} with {filters} filters")
    return filters, height
