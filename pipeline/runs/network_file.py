"""A small trained network in one .safetensors file, with what it was built from and for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from teachers.passport import Passport
from teachers.plain_values import parse_json

from .tensor_file import safetensors_metadata, write_tensors

SCHEMA = 1

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Described(Generic[Network]):
    """A network and what its file says.

    Attributes:
        network: with its weights.
        arguments: it was built with.
        passport: of the teacher that it was trained for.
        step: updates so far; 0: untrained.
    """

    network: Network
    arguments: dict[str, Any]
    passport: Passport
    step: int = 0


def write_network(path: Path, described: Described[Any], *, key: str) -> None:
    """One .safetensors file, atomically, whose metadata has the description as `key`."""
    description = {
        "schema": SCHEMA,
        "step": described.step,
        "arguments": described.arguments,
        "passport": json.loads(described.passport.to_json()),
    }
    write_tensors(path, described.network.state_dict(), {key: json.dumps(description)})


def read_network(
    path: Path, build: Callable[..., Network], *, key: str, noun: str, advice: str
) -> Described[Network]:
    """Reads what `write_network` wrote, in evaluation mode.

    Args:
        path: the file.
        build: arguments → network.
        key: of the description.
        noun: what it is, for messages ("fuser").
        advice: what to do where there is no such file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {noun} at {path}: {advice}")
    text = safetensors_metadata(path).get(key)
    if text is None:
        raise ValueError(f"{path} is no {noun} that trilift has written")
    said = parse_json(text, f"the description in {path}", dict[str, Any])
    if said.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} is a {noun} of schema {said.get('schema')!r}, this reads {SCHEMA}"
        )
    try:
        network = build(**said["arguments"])
        network.load_state_dict(safetensors.torch.load_file(path))
    except (SafetensorError, OSError, RuntimeError, TypeError, KeyError) as error:
        raise ValueError(f"{path} can't be read as a {noun}: {error}") from error
    passport = Passport.from_dict(said["passport"], str(path))
    return Described(network.eval(), said["arguments"], passport, int(said["step"]))
