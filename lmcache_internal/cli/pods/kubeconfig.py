"""Load the credentials for a cluster as kubectl does: from the kubeconfig, or from the pod of this process."""

from __future__ import annotations

import functools
import os
from importlib.util import find_spec
from pathlib import Path

import click

from .cluster import Cluster


def kubeconfig() -> str | None:
    """Return the file or files that `KUBECONFIG` names; None means `~/.kube/config`."""
    return os.environ.get("KUBECONFIG") or None


def contexts() -> list[str]:
    """Return the names of the contexts of the kubeconfig; none if there is no kubeconfig."""
    from kubernetes.config import ConfigException, list_kube_config_contexts

    try:
        found, _ = list_kube_config_contexts(kubeconfig())
    except ConfigException:
        return []
    return [str(context["name"]) for context in found]


def cluster_of(context: str | None) -> Cluster:
    """Return the cluster of a context; None is the current context, or the cluster that this process runs in.

    Raises:
        click.ClickException: the client is not installed, or the credentials cannot be loaded.
    """
    return _loaded(kubeconfig(), context)


@functools.lru_cache(maxsize=8)
def _loaded(file: str | None, context: str | None) -> Cluster:
    require_client()
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

    configuration = Configuration()
    configuration.retries = False  # A command has one timeout; the user repeats it.
    try:
        if file is None and context is None and not Path("~/.kube/config").expanduser().exists():
            load_incluster_config(client_configuration=configuration)
        else:
            load_kube_config(file, context, client_configuration=configuration)
    except ConfigException as error:
        raise click.ClickException(f"The kubeconfig cannot be used: {error}") from error
    return Cluster(configuration)


def require_client() -> None:
    """Raise `click.ClickException` if the Kubernetes client is not installed."""
    if find_spec("kubernetes") is None:
        raise click.ClickException("--kubernetes needs the Kubernetes client: pip install kubernetes")
