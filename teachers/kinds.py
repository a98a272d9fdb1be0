"""The kinds of teachers that are built like EG3D: which classes belong together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .eg3d.configuration import EG3DConfiguration
from .eg3d.generator import Generator
from .eg3d.teacher import EG3DTeacher, passport_of, weights_sha256
from .panohead.configuration import PanoHeadConfiguration
from .panohead.generator import PanoHeadGenerator
from .wysiwyg.configuration import WysiwygConfiguration
from .wysiwyg.generator import WysiwygGenerator


@dataclass(frozen=True)
class Kind:
    """What a kind of teacher consists of.

    Attributes:
        configuration: its numbers, and what the passport says about it.
        generator: configuration → networks.
    """

    configuration: type[EG3DConfiguration]
    generator: Callable[[Any], Generator]


KINDS = {
    kind.configuration.kind: kind
    for kind in (
        Kind(EG3DConfiguration, Generator),
        Kind(PanoHeadConfiguration, PanoHeadGenerator),
        Kind(WysiwygConfiguration, WysiwygGenerator),
    )
}
"""By `Passport.kind`."""


def kind_of(configuration: EG3DConfiguration) -> Kind:
    """The kind that a configuration is of."""
    return KINDS[configuration.kind]


def configuration_of(settings: dict[str, Any]) -> EG3DConfiguration:
    """A configuration from its numbers and `kind`; without one, EG3D's.

    Raises:
        ValueError: the kind or a key is unknown.
    """
    name = settings.get("kind", "eg3d")
    if name not in KINDS:
        raise ValueError(f"the kind of teacher is {name!r}: use {', '.join(KINDS)}")
    numbers = {key: value for key, value in settings.items() if key != "kind"}
    return KINDS[name].configuration.from_dict(numbers)


def settings_of(configuration: EG3DConfiguration) -> dict[str, Any]:
    """What `configuration_of` reads."""
    kind = configuration.kind
    return {**({} if kind == "eg3d" else {"kind": kind}), **configuration.to_dict()}


def freeze(
    generator: Generator,
    *,
    name: str,
    licence: str,
    training_data: tuple[dict[str, str], ...] = (),
) -> EG3DTeacher:
    """A teacher of a generator that was trained here."""
    passport = passport_of(
        generator.config,
        name=name,
        source_hash=weights_sha256(generator),
        licence=licence,
        training_data=training_data,
    )
    return EG3DTeacher(generator, passport)
