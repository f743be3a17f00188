"""The arguments in deploy/kubernetes/base are options of the real vLLM."""

from __future__ import annotations

import re
import subprocess

from tests.deploy.manifests import read
from tests.vllm.deployment import VENV


def test_the_arguments_of_the_deployment_are_options_of_vllm() -> None:
    command = [str(VENV / "bin" / "vllm"), "serve", "--help=all"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", text))
    (container,) = read("base/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    given = {argument.partition("=")[0] for argument in container["args"] if argument.startswith("--")}
    assert len(given) >= 4
    assert given <= known
