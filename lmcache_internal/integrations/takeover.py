"""Classes of this package in the place of LMCache's internal API server, wherever LMCache defines or imports it."""

from __future__ import annotations

import sys
from types import ModuleType

from ..engine import lmcache_names
from ..log_lines import get_logger
from .drop_in import DropInServer, RefusingServer, stand_in
from .import_hook import PACKAGE, ImportHook
from .lmcache_logging import log_as_lmcache_does

logger = get_logger(__name__)

_CLASS = "InternalAPIServer"
_HOMES = lmcache_names.modules_of(_CLASS)
_SERVICE = "internal_api_server"
"""The package of LMCache's in which its server has always been."""


class Takeover:
    """Replaces LMCache's server in the modules that are imported, and in those that will be.

    A server of LMCache's that is not where a supported version has it is replaced, too, by one that serves nothing: who
    asked for this server has not asked for one that requires no token.

    Args:
        falls_back: build LMCache's own server where this one cannot be.
        refusal: why no server may be served at all; empty where one may.
    """

    def __init__(self, falls_back: bool = False, refusal: str = "") -> None:
        self._falls_back = falls_back
        self._refusal = refusal
        self._hook = ImportHook(self._imported)

    def begin(self) -> None:
        """Replace it; imports nothing of LMCache."""
        sys.meta_path.insert(0, self._hook)
        replaced: dict[type, type] = {}
        for module in _loaded_modules():
            replaced |= self._replace_in(module)
        # Service factories bind the class by `from … import`, each in its own module.
        _exchange(replaced)

    def end(self) -> None:
        """Give LMCache its own server back; servers that are built already stay what they are."""
        sys.meta_path.remove(self._hook)
        ours = {value for module in _loaded_modules() for value in vars(module).values() if _is_stand_in(value)}
        _exchange({server: server.original for server in ours})

    def _imported(self, module: ModuleType) -> None:
        replaced = self._replace_in(module)
        if module.__name__ in _HOMES and not replaced:
            logger.error("%s Whether LMCache serves its own, which asks for no token, is unknown.", _unknown(module))

    def _replace_in(self, module: ModuleType) -> dict[type, type]:
        replaced: dict[type, type] = {}
        for name, server in _servers_of(module):
            replaced[server] = self._stand_in_for(server, module)
            setattr(module, name, replaced[server])
        if replaced:
            _announce()
        return replaced

    def _stand_in_for(self, server: type, module: ModuleType) -> type:
        known = module.__name__ in _HOMES and server.__name__ == _CLASS
        reason = self._refusal or ("" if known else _unknown(module))
        if reason:
            return stand_in(server, RefusingServer, reason=reason, falls_back=self._falls_back)
        return stand_in(server, DropInServer, falls_back=self._falls_back)


def _servers_of(module: ModuleType) -> list[tuple[str, type]]:
    """The classes that may be LMCache's server, of those that `module` defines."""
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
        given = log_as_lmcache_does()
    except Exception as error:  # The import of LMCache goes on; what is logged from WARNING on is seen all the same.
        logger.warning("lmcache_internal cannot log as LMCache does: %s", error)
        given = []
    logger.info("LMCache's internal API server is replaced by lmcache_internal")
    if given:
        logger.info("Nobody has configured the logger lmcache_internal: it logs as LMCache does (LMCACHE_LOG_LEVEL)")


def _unknown(module: ModuleType) -> str:
    return (
        f"{lmcache_names.installed()} has no {_CLASS} where lmcache-internal knows it to be, but may have its server "
        f"in {module.__name__}: install a newer lmcache-internal, or a version of LMCache that docs/lmcache.md lists"
    )


def _loaded_modules() -> list[ModuleType]:
    prefixes = (PACKAGE, "vllm.distributed.kv_transfer.")
    return [module for name, module in list(sys.modules.items()) if name.startswith(prefixes) and module is not None]


def _exchange(replacements: dict[type, type]) -> None:
    for module in _loaded_modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in replacements:
                setattr(module, name, replacements[value])


def _is_stand_in(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, DropInServer)
