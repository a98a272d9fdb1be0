"""What every verb is wrapped in: a Hydra application whose user errors become one line."""

import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from .configuration import USER_ERRORS, VERSION_BASE, configuration_folder


def verb(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[..., Any]]:
    """Makes a function of a configuration the Hydra application `trilift NAME`.

    The configuration is `conf/NAME.yaml` with the overrides of the command line. Errors of the user
    (`USER_ERRORS`, missing or misspelt settings) become one line and exit status 2;
    `TRILIFT_DEBUG=1` shows where they came from. Called with a configuration, the function runs on
    that, as it is.
    """

    def decorate(function: Callable[[DictConfig], Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(config: DictConfig) -> Any:
            try:
                return function(_in_its_own_folder(config))
            except (*USER_ERRORS, InstantiationException, OmegaConfBaseException) as error:
                if os.environ.get("TRILIFT_DEBUG"):
                    raise
                sys.exit(_report(name, error))

        application = hydra.main(
            version_base=VERSION_BASE, config_path=str(configuration_folder()), config_name=name
        )(guarded)

        @functools.wraps(function)
        def main(config: DictConfig | None = None) -> Any:
            if config is not None:
                return function(config)
            if {"--help", "-h"} & set(sys.argv[1:]):
                sys.stdout.write(
                    f"{inspect.cleandoc(inspect.getmodule(function).__doc__ or '')}\n\n"
                )  # type: ignore[union-attr]
            return application()

        return main

    return decorate


def _in_its_own_folder(config: DictConfig) -> DictConfig:
    """In Hydra's own multirun, each job's `paths.run` is its own numbered folder."""
    if (
        HydraConfig.get().mode == RunMode.MULTIRUN
        and OmegaConf.select(config, "paths.run") is not None
    ):
        config.paths.run = HydraConfig.get().runtime.output_dir
    return config


def _report(name: str, error: Exception) -> int:
    message = str(error)
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        message = f"{error.full_key} is missing: give {error.full_key}=…"
    sys.stderr.write(f"trilift {name}: {message.strip()}\n")
    return 2
