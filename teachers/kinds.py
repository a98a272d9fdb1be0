"""The kinds of teachers: which classes belong together."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .eg3d.configuration import EG3DConfiguration
from .eg3d.generator import Generator
from .eg3d.teacher import EG3DTeacher, eg3d_passport, load_eg3d, weights_sha256
from .panohead.configuration import PanoHeadConfiguration
from .panohead.generator import PanoHeadGenerator
from .panohead.teacher import PanoHeadTeacher, load_panohead, panohead_passport
from .passport import Passport
from .wysiwyg.configuration import WysiwygConfiguration
from .wysiwyg.generator import WysiwygGenerator
from .wysiwyg.teacher import WysiwygTeacher, load_wysiwyg, wysiwyg_passport


@dataclass(frozen=True)
class Kind:
    """What a kind of teacher consists of.

    Attributes:
        configuration: its numbers.
        generator: configuration → networks.
        teacher: generator and passport → frozen teacher.
        passport: configuration, name, source_hash, licence → passport.
        load: teacher folder → teacher.
    """

    configuration: type[EG3DConfiguration]
    generator: Callable[[Any], Generator]
    teacher: Callable[..., EG3DTeacher]
    passport: Callable[..., Passport]
    load: Callable[[Path], EG3DTeacher]


KINDS = {
    "eg3d": Kind(EG3DConfiguration, Generator, EG3DTeacher, eg3d_passport, load_eg3d),
    "panohead": Kind(
        PanoHeadConfiguration, PanoHeadGenerator, PanoHeadTeacher, panohead_passport, load_panohead
    ),
    "wysiwyg": Kind(
        WysiwygConfiguration, WysiwygGenerator, WysiwygTeacher, wysiwyg_passport, load_wysiwyg
    ),
}
"""By `Passport.kind`."""


def kind_of(configuration: EG3DConfiguration) -> Kind:
    """The kind that a configuration is of."""
    return next(kind for kind in KINDS.values() if kind.configuration is type(configuration))


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
    (name,) = (name for name, kind in KINDS.items() if kind is kind_of(configuration))
    return {**({} if name == "eg3d" else {"kind": name}), **configuration.to_dict()}


def freeze(
    generator: Generator,
    *,
    name: str,
    licence: str,
    training_data: tuple[dict[str, str], ...] = (),
) -> EG3DTeacher:
    """A teacher of a generator that was trained here."""
    kind = kind_of(generator.config)
    passport = kind.passport(
        generator.config, name=name, source_hash=weights_sha256(generator), licence=licence
    )
    return kind.teacher(generator, dataclasses.replace(passport, training_data=training_data))
