"""Composing takes half of its fifth of a second: tests read the files of conf/, and parse overrides
and interpolations, once a process instead of once a composition.
"""

import copy
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import omegaconf.base
from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.overrides_parser import OverridesParser

CONF = str(Path(__file__).resolve().parents[1] / "conf")


def install() -> None:
    ConfigRepository.load_config = _reading_once(ConfigRepository.load_config)
    OverridesParser.parse_rule = _parsing_once(OverridesParser.parse_rule)
    omegaconf.base.parse = functools.cache(omegaconf.base.parse)


def _reading_once(load: Callable[..., Any]) -> Callable[..., Any]:
    kept: dict[str, bytes] = {}

    @functools.wraps(load)
    def load_config(self: ConfigRepository, config_path: str) -> Any:
        files = {source.path for source in self.sources if source.scheme() == "file"}
        if files != {CONF}:  # a package of a user, which a test may change
            return load(self, config_path)
        if config_path not in kept:
            result = load(self, config_path)
            if result is None or result.provider not in ("main", "hydra"):
                return result
            kept[config_path] = pickle.dumps(result)
        return pickle.loads(kept[config_path])

    return load_config


def _parsing_once(parse: Callable[..., Any]) -> Callable[..., Any]:
    kept: dict[tuple[str, str], Any] = {}

    @functools.wraps(parse)
    def parse_rule(self: OverridesParser, s: str, rule_name: str) -> Any:
        if (s, rule_name) not in kept:
            kept[s, rule_name] = parse(self, s, rule_name)
        return copy.copy(kept[s, rule_name])

    return parse_rule
