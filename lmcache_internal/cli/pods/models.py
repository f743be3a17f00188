"""The parts of the Kubernetes API's objects that are used; anything else in them is ignored."""

from __future__ import annotations

import msgspec


class Metadata(msgspec.Struct, rename="camel"):
    """The parts of a pod's metadata that are used."""

    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Variable(msgspec.Struct):
    """An environment variable of a container; `value` is missing if it comes from elsewhere, such as a Secret."""

    name: str
    value: str | None = None


class Container(msgspec.Struct):
    """The parts of a container that are used."""

    env: list[Variable] = []


class Spec(msgspec.Struct):
    """The parts of a pod's specification that are used."""

    containers: list[Container] = []


class Status(msgspec.Struct):
    """The parts of a pod's status that are used."""

    phase: str = "Unknown"


class Pod(msgspec.Struct):
    """A pod, as the API lists it."""

    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class ListMetadata(msgspec.Struct):
    """The metadata of a page; `next` is the position of the next page, or empty."""

    next: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """A page of a list of pods."""

    items: list[Pod]
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)
