"""WYSIWYG as a frozen teacher; its folder has the files of an EG3D teacher's."""

import dataclasses
from pathlib import Path
from typing import Any

from teachers.eg3d.teacher import EG3DTeacher, eg3d_passport, load_generator, read_configuration
from teachers.passport import Passport

from .configuration import WysiwygConfiguration
from .generator import WysiwygGenerator


def wysiwyg_passport(
    config: WysiwygConfiguration, *, name: str, source_hash: str, licence: str
) -> Passport:
    """The passport that follows from a configuration."""
    return dataclasses.replace(
        eg3d_passport(config, name=name, source_hash=source_hash, licence=licence),
        kind="wysiwyg",
        aggregation="product",
    )


class WysiwygTeacher(EG3DTeacher):
    """A frozen WYSIWYG generator (see `EG3DTeacher`)."""

    generator: WysiwygGenerator

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        """See `Teacher.renderer_recipe`."""
        return "teachers.wysiwyg.generator.wysiwyg_renderer", {
            "configuration": self.configuration.to_dict()
        }


def load_wysiwyg(folder: Path) -> WysiwygTeacher:
    """Reads a teacher folder: config.json, passport.json, generator.safetensors.

    Raises:
        ValueError: a file is damaged, or the weights don't fit the configuration.
        FileNotFoundError: a file is missing.
    """
    passport = Passport.read(folder / "passport.json")
    config = read_configuration(folder / "config.json", WysiwygConfiguration)
    generator = WysiwygGenerator(config)
    load_generator(generator, folder)
    return WysiwygTeacher(generator, passport)
