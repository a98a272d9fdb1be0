"""Names and paths in the user's YAML files are text as typed, as on the command line
(`text_settings`).

YAML takes `name: 2026_1_12` for the number 2026112: two names would become one run. Hydra reads
such files with a source of its own; this one puts the text back.
"""

from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from .text_settings import GROUPS, TEXT


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's source of YAML files. The name must be Hydra's: it keeps what is registered so."""

    def load_config(self, config_path: str) -> ConfigResult:
        """As Hydra's, with names and paths as they are typed."""
        result = super().load_config(config_path)
        plain = OmegaConf.to_container(result.config, resolve=False)
        is_group = any(config_path.startswith(group.replace(".", "/")) for group in GROUPS)
        if _has_number(plain, is_text=is_group):
            file = Path(self.path) / self._normalize_file_name(config_path)
            typed = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
            _put_back(result.config, typed, is_text=is_group)
        return result


def register_text_files() -> None:
    """Makes Hydra read YAML files through `FileConfigSource`, now and in what is composed later."""
    SourcesRegistry.instance().types["file"] = FileConfigSource


def _has_number(value: Any, *, is_text: bool) -> bool:
    if isinstance(value, dict):
        return any(
            _has_number(part, is_text=_wants_text(key, part, is_text))
            for key, part in value.items()
        )
    if isinstance(value, list):
        return any(_has_number(part, is_text=is_text) for part in value)
    return is_text and _is_number(value)


def _put_back(config: Any, typed: Any, *, is_text: bool) -> None:
    """Replaces the numbers that stand for names or paths in a container by their text."""
    is_mapping = isinstance(typed, dict)
    for key in list(config) if is_mapping else range(len(config)):
        text = typed.get(str(key)) if is_mapping else typed[key]
        node = config._get_node(key)
        is_name = _wants_text(key, text, is_text) if is_mapping else is_text
        if OmegaConf.is_config(node) and isinstance(text, dict | list):
            _put_back(node, text, is_text=is_name)
        elif is_name and isinstance(text, str) and _is_number(node._value()):
            config[key] = text


def _wants_text(key: object, value: Any, inherited: bool) -> bool:
    """A name has no keys of its own: `planes` of a plan's stages is no path, `paths` is a group."""
    is_name = str(key) in TEXT and not isinstance(value, dict)
    return inherited or is_name or f"{key}." in GROUPS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
