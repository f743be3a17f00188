"""Replace LMCache's internal API server in every module that defines or imports it."""

from __future__ import annotations

import sys
from types import ModuleType

from ..engine import lmcache_names
from ..redaction.log_lines import get_logger
from .drop_in import DropInServer, RefusingServer, replacement_of
from .import_hook import PACKAGE, ImportHook
from .lmcache_logging import add_lmcache_handlers

logger = get_logger(__name__)

_CLASS = "InternalAPIServer"
_HOMES = lmcache_names.modules_of(_CLASS)
_SERVICE = "internal_api_server"
"""The package of LMCache that contains its server in every known version."""


class Takeover:
    """Replaces LMCache's server in the modules that are already imported, and in those that are imported later.

    If the server is not at the place of a supported version, its replacement serves nothing, because LMCache's own
    server requires no token.

    Args:
        falls_back: create LMCache's own server if this server cannot be created.
        refusal: the reason why nothing may be served at all; empty if there is none.
    """

    def __init__(self, falls_back: bool = False, refusal: str = "") -> None:
        self._falls_back = falls_back
        self._refusal = refusal
        self._hook = ImportHook(self._imported)

    def begin(self) -> None:
        """Replace the server. This imports nothing of LMCache."""
        sys.meta_path.insert(0, self._hook)
        replaced: dict[type, type] = {}
        for module in _loaded_modules():
            replaced |= self._replace_in(module)
        # Other modules, such as service factories, have the class by `from … import`.
        _exchange(replaced)

    def end(self) -> None:
        """Restore LMCache's own server. Servers that already exist do not change."""
        sys.meta_path.remove(self._hook)
        replacements = {
            value for module in _loaded_modules() for value in vars(module).values() if _is_replacement(value)
        }
        _exchange({server: server.original for server in replacements})

    def _imported(self, module: ModuleType) -> None:
        replaced = self._replace_in(module)
        if module.__name__ in _HOMES and not replaced:
            logger.error("%s. LMCache may serve its own server, which requires no token.", _unknown(module))

    def _replace_in(self, module: ModuleType) -> dict[type, type]:
        replaced: dict[type, type] = {}
        for name, server in _servers_of(module):
            replaced[server] = self._replacement_for(server, module)
            setattr(module, name, replaced[server])
        if replaced:
            _announce()
        return replaced

    def _replacement_for(self, server: type, module: ModuleType) -> type:
        known = module.__name__ in _HOMES and server.__name__ == _CLASS
        reason = self._refusal or ("" if known else _unknown(module))
        if reason:
            return replacement_of(server, RefusingServer, reason=reason, falls_back=self._falls_back)
        return replacement_of(server, DropInServer, falls_back=self._falls_back)


def _servers_of(module: ModuleType) -> list[tuple[str, type]]:
    """Return the classes that `module` defines and that may be LMCache's server."""
    is_of_service = _SERVICE in module.__name__.split(".")
    return [
        (name, value)
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and (value.__name__ == _CLASS or (is_of_service and value.__name__.endswith("Server")))
    ]


def _announce() -> None:
    try:
        changed = add_lmcache_handlers()
    except Exception as error:  # The import of LMCache must not fail. Python shows records from WARNING on in any case.
        logger.warning("lmcache_internal cannot use the log handler of LMCache: %s", error)
        changed = []
    logger.info("LMCache's internal API server is replaced by lmcache_internal")
    if changed:
        logger.info(
            "The logger lmcache_internal had no handler, so "
            "it uses the handler and the level of LMCache (LMCACHE_LOG_LEVEL)"
        )


def _unknown(module: ModuleType) -> str:
    return (
        f"{lmcache_names.installed()} has no {_CLASS} at a known place, but may have its server in {module.__name__}: "
        "install a newer lmcache-internal, or a version of LMCache that docs/lmcache.md lists"
    )


def _loaded_modules() -> list[ModuleType]:
    prefixes = (PACKAGE, "vllm.distributed.kv_transfer.")
    return [module for name, module in list(sys.modules.items()) if name.startswith(prefixes) and module is not None]


def _exchange(replacements: dict[type, type]) -> None:
    for module in _loaded_modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in replacements:
                setattr(module, name, replacements[value])


def _is_replacement(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, DropInServer)
