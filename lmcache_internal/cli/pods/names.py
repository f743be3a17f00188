"""Name a pod, and parse what `--kubernetes` and the address of a server in a pod say."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import click

SCHEME = "kubernetes://"
DEFAULT_SELECTOR = "lmcache-internal/server"
"""Selects the pods that have this label, whatever its value."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ADDRESS = re.compile(r"(?:(?P<context>.+)/)?(?P<namespace>[^/]+)/(?P<name>[^/:]+):(?P<port>\d{1,5})")
_FORM = "[CONTEXT/]NAMESPACE[:SELECTOR]"


@dataclass(frozen=True)
class PodName:
    """A pod.

    Attributes:
        context: the context of the kubeconfig, or None for the current one.
        namespace: the namespace.
        name: the name of the pod.
    """

    context: str | None
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.context, self.namespace, self.name)))


@dataclass(frozen=True)
class Choice:
    """The pods that one `--kubernetes` option chooses.

    Attributes:
        context: the context of the kubeconfig, or None for the current one.
        namespace: the namespace.
        selector: a label selector.
    """

    context: str | None
    namespace: str
    selector: str

    @classmethod
    def parse(cls, text: str, contexts: Collection[str]) -> Choice:
        """Read `[CONTEXT/]NAMESPACE[:SELECTOR]`.

        Names of contexts may contain slashes and colons, so only the kubeconfig can say where one ends.

        Args:
            text: the value of the option.
            contexts: the names of all contexts of the kubeconfig.

        Raises:
            click.UsageError: the text has another form, or names an unknown context.
        """
        known = [context for context in contexts if text.startswith(f"{context}/")]
        context = max(known, key=len, default=None)
        namespace, _, selector = text[len(context) + 1 if context else 0 :].partition(":")
        if not context and "/" in namespace:
            names = ", ".join(sorted(contexts)) or "none"
            raise click.UsageError(
                f"--kubernetes {text}: the kubeconfig has no context {namespace.rpartition('/')[0]!r}; "
                f"its contexts are: {names}."
            )
        if not _NAME.fullmatch(namespace):
            raise click.UsageError(f"--kubernetes {text}: expected {_FORM}, and {namespace!r} is not a namespace.")
        return cls(context, namespace, selector or DEFAULT_SELECTOR)

    def pod(self, name: str) -> PodName:
        """Return the name of a pod of this choice."""
        return PodName(self.context, self.namespace, name)


def parse_address(address: str) -> tuple[PodName, int]:
    """Read `kubernetes://[CONTEXT/]NAMESPACE/POD:PORT`.

    Raises:
        click.UsageError: the address has another form.
    """
    match = _ADDRESS.fullmatch(address.removeprefix(SCHEME))
    if match and all(_NAME.fullmatch(match[part]) for part in ("namespace", "name")) and 0 < int(match["port"]) < 65536:
        return PodName(match["context"], match["namespace"], match["name"]), int(match["port"])
    raise click.UsageError(f"Expected an address such as {SCHEME}NAMESPACE/POD:7000, got {address!r}.")
