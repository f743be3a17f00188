"""Load the credentials for a cluster as kubectl does: from the kubeconfig, or from the pod of this process."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import click

from ..text import one_line
from .cluster import Cluster


def kubeconfig() -> str | None:
    """Return the file or files that `KUBECONFIG` names; None means `~/.kube/config`."""
    return os.environ.get("KUBECONFIG") or None


def contexts() -> list[str]:
    """Return the names of the contexts of the kubeconfig; none if there is no kubeconfig.

    Raises:
        click.ClickException: the kubeconfig cannot be read.
    """
    from kubernetes.config import list_kube_config_contexts

    if _is_missing():
        return []
    with _explained():
        found, _ = list_kube_config_contexts(kubeconfig())
        return [str(context["name"]) for context in found]


def cluster_of(context: str | None) -> Cluster:
    """Return the cluster of a context; None is the current context, or the cluster that this process runs in.

    Raises:
        click.ClickException: the client is not installed, or the credentials cannot be loaded.
    """
    return _loaded(kubeconfig(), context)


def require_client() -> None:
    """Raise `click.ClickException` if the Kubernetes client is not installed."""
    if find_spec("kubernetes") is None:
        raise click.ClickException("--kubernetes needs the Kubernetes client: pip install kubernetes")


@functools.lru_cache(maxsize=8)
def _loaded(file: str | None, context: str | None) -> Cluster:
    require_client()
    from kubernetes.client import Configuration
    from kubernetes.config import load_incluster_config, load_kube_config

    configuration = Configuration()
    configuration.retries = False  # A command has one timeout; the user repeats it.
    with _explained():
        if context is None and _is_missing():
            load_incluster_config(client_configuration=configuration)
        else:
            load_kube_config(file, context, client_configuration=configuration)
    return Cluster(configuration)


def _is_missing() -> bool:
    return kubeconfig() is None and not Path("~/.kube/config").expanduser().exists()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # The client raises whatever an invalid file causes, such as KeyError.
        reason = one_line(str(error) or type(error).__name__)
        file = f"The kubeconfig {kubeconfig() or '~/.kube/config'} cannot be used"
        missing = "There is no kubeconfig at $KUBECONFIG or ~/.kube/config, and this is not a pod"
        raise click.ClickException(f"{missing if _is_missing() else file}: {reason}") from error
