"""A small trained network in one .safetensors file, with what it was built from and for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from teachers.passport import Passport
from teachers.plain_values import parse_json

from .tensor_file import safetensors_metadata, write_tensors

SCHEMA = 1

Network = TypeVar("Network", bound=nn.Module)
Kind = TypeVar("Kind", bound="TrainedNetwork[Any]")


@dataclass(frozen=True)
class TrainedNetwork(Generic[Network]):
    """A network and what its file says. Each kind of network is a subclass.

    Attributes:
        network: with its weights.
        arguments: it was built with.
        passport: of the teacher that it was trained for.
        step: updates so far; 0: untrained.
    """

    build: ClassVar[Callable[..., nn.Module]]
    """Arguments → network."""
    key: ClassVar[str]
    """Of the description in the file's metadata."""
    noun: ClassVar[str]
    """What it is, for messages."""
    advice: ClassVar[str]
    """What to do where there is no such file."""

    network: Network
    arguments: dict[str, Any]
    passport: Passport
    step: int = 0

    @classmethod
    def untrained(cls: type[Kind], passport: Passport, **arguments: Any) -> Kind:
        """For a teacher, in evaluation mode; `arguments` are the network's."""
        network: Any = cls.build(**arguments).eval()
        return cls(network, arguments, passport)

    def save(self, path: Path) -> None:
        """One .safetensors file, atomically."""
        description = {
            "schema": SCHEMA,
            "step": self.step,
            "arguments": self.arguments,
            "passport": json.loads(self.passport.to_json()),
        }
        write_tensors(path, self.network.state_dict(), {self.key: json.dumps(description)})

    @classmethod
    def load(cls: type[Kind], path: Path) -> Kind:
        """Reads what `save` wrote, in evaluation mode, without gradients.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds something else.
        """
        noun = cls.noun
        if not path.is_file():
            raise FileNotFoundError(f"there is no {noun} at {path}: {cls.advice}")
        text = safetensors_metadata(path).get(cls.key)
        if text is None:
            raise ValueError(f"{path} is no {noun} that trilift has written")
        said = parse_json(text, f"the description in {path}", dict[str, Any])
        if said.get("schema") != SCHEMA:
            raise ValueError(
                f"{path} is a {noun} of schema {said.get('schema')!r}, this reads {SCHEMA}"
            )
        try:
            network: Any = cls.build(**said["arguments"])
            network.load_state_dict(safetensors.torch.load_file(path))
        except (SafetensorError, OSError, RuntimeError, TypeError, KeyError) as error:
            raise ValueError(f"{path} can't be read as a {noun}: {error}") from error
        passport = Passport.from_dict(said["passport"], str(path))
        network.eval().requires_grad_(False)
        return cls(network, said["arguments"], passport, int(said["step"]))
