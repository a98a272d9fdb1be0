"""The hooks of a configuration: `hooks=[cartoon,exposure]`."""

import inspect
import pkgutil

from omegaconf import DictConfig

from pipeline.portraits.hooks.chain import Hooks

from .configuration import instantiate, require_buildable, to_plain


def build_hooks(config: DictConfig) -> Hooks:
    """The hooks in the order in which `hooks=[…]` names them.

    A `_target_` is a class whose objects are called, or the function itself, whose arguments
    besides the image are then the node's keys.

    Raises:
        ValueError: untrusted code, a wrong setting, or something that can't be called.
    """
    nodes = config.get("hooks") or {}
    hooks, settings = {}, {}
    for name, node in nodes.items():
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise ValueError(
                f"hooks.{name} is {node!r}: expected a node with _target_, as in conf/hooks"
            )
        plain = to_plain(node)
        require_buildable(plain)
        settings[str(name)] = dict(plain)
        if inspect.isfunction(pkgutil.resolve_name(plain["_target_"])):
            plain["_partial_"] = True
        hook = instantiate(plain)
        if not callable(hook):
            raise ValueError(
                f"hooks.{name} ({plain['_target_']}) makes a {type(hook).__name__}, which can't be"
                " called: give it __call__(image), or name a function"
            )
        hooks[str(name)] = hook
    return Hooks(hooks, settings)
