"""Find out which servers a pod has, from its labels, annotations and variables.

A pod's ConfigMaps are not read, because then operators would need a permission to read them. The specification of the
pod says at which port the ranks begin; if it does not say which ranks serve, the server at that port is asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import click

from ...engine.embedded.environment import ENV_PREFIX
from ...errors import ConfigError
from ...settings import PREFIX, Settings
from ...settings.address import address_at
from ..outcome import Outcome
from ..sources import settings_from
from ..targets import Target, parse_indices
from .models import Pod
from .names import DEFAULT_SELECTOR, PodName

PORT_ANNOTATION = "lmcache-internal/port-start"
"""The port of the scheduler, or of an MP server."""
INDEX_ANNOTATION = "lmcache-internal/index"
"""The ranks that serve in the pod, such as `0-4`."""
MP = "mp"
"""The value of the label `lmcache-internal/server` of a pod with an MP server, which is one server without ranks."""
MP_PORT = "8080"

_PORT = f"{PREFIX}port_start"
_INDICES = f"{PREFIX}include_index_list"
_SOCKET = f"{PREFIX}socket_path_prefix"
_READ = {f"{ENV_PREFIX}{name.upper()}": name for name in (_PORT, _INDICES, _SOCKET)}


class PodServers:
    """The servers of one pod.

    Args:
        name: the name of the pod.
        pod: the pod, as the API lists it.
        indices: the ranks to ask; all if empty.

    Attributes:
        ranks: the indices of the servers, or None while they are unknown.
        failure: why the pod cannot be used, or None.
    """

    def __init__(self, name: PodName, pod: Pod, indices: Collection[int]) -> None:
        self._name = name
        self._indices = indices
        self._is_mp = pod.metadata.labels.get(DEFAULT_SELECTOR) == MP
        self._settings = Settings()
        self.ranks: Collection[int] | None = None
        self.failure: Outcome | None = None
        try:
            self._settings = self._read(pod)
            self._check(pod)
            self.ranks = (0,) if self._is_mp else self._known(pod)
        except (ConfigError, click.ClickException) as error:
            self.failure = Outcome(self.at(None), error=str(error), unreachable=True)

    def at(self, index: int | None) -> Target:
        """Return the server of a rank; None is the first server, of which the rank is not known."""
        try:
            port = address_at(index or 0, self._settings).port
        except ConfigError:
            port, index = Settings().port_start, None
        return Target(f"http://127.0.0.1:{port}", None, index, by_address=True, pod=self._name, mp=self._is_mp)

    def targets(self) -> list[Target]:
        """Return the servers; one entry for the whole pod if it cannot be used. An MP server is no rank to choose."""
        if self._is_mp and self._indices:
            return []
        if self.failure or self._is_mp:
            return [self.at(None)]
        return [self.at(index) for index in sorted(self.ranks or ())]

    def learn(self, outcome: Outcome) -> None:
        """Take the ranks from the response of the pod's first server; no ranks mean that it is an MP server."""
        if outcome.ok:
            self.ranks, self._is_mp = outcome.data, outcome.data is None
        else:
            self.failure = replace(outcome, target=self.at(None))

    def _read(self, pod: Pod) -> Settings:
        values: dict[str, str] = {_PORT: MP_PORT} if self._is_mp else {}
        for variable in (variable for container in pod.spec.containers for variable in container.env):
            if variable.value and (name := _READ.get(variable.name)):
                values.setdefault(name, variable.value)
        if port := pod.metadata.annotations.get(PORT_ANNOTATION):
            values[_PORT] = port
        settings = settings_from(values, "in the specification of the pod")
        address_at(0, settings)
        return settings

    def _check(self, pod: Pod) -> None:
        if pod.status.phase != "Running":
            raise click.ClickException(f"the pod is not running: its phase is {pod.status.phase}")
        if self._settings.socket_path_prefix:
            raise click.ClickException(
                "its servers listen on Unix sockets, and the Kubernetes API forwards only ports: "
                f"remove {_SOCKET}, so that they listen on loopback ports"
            )

    def _known(self, pod: Pod) -> Collection[int] | None:
        annotated = pod.metadata.annotations.get(INDEX_ANNOTATION)
        serving = parse_indices(annotated) if annotated else self._settings.include_indices
        if serving and self._indices:
            return set(serving) & set(self._indices)
        return serving or self._indices or None
