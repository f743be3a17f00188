"""What kustomize makes of the manifests."""

from __future__ import annotations

import pytest

from tests.deploy import manifests
from tests.deploy.manifests import Manifest


@pytest.fixture(scope="module")
def vllm() -> list[Manifest]:
    return manifests.built("vllm")


@pytest.fixture(scope="module")
def mp() -> list[Manifest]:
    return manifests.built("mp")
