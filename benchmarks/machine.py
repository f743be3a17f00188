"""The machine, and its load from other programs."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from time import monotonic


class Watch:
    """Measures the CPU time that other programs use from now on."""

    def __init__(self) -> None:
        self._before = self._now()

    def machine(self) -> dict[str, str]:
        """Return the machine, and how many cores others have used, including neighbors of a virtual machine."""
        seconds, taken = (now - before for now, before in zip(self._now(), self._before, strict=True))
        return {
            "CPU": f"{_model()}, {os.cpu_count()} cores",
            "kernel": platform.release(),
            "cores taken by others": f"{max(0.0, taken / seconds):.2f}",
        }

    @staticmethod
    def _now() -> tuple[float, float]:
        user, nice, system, _, _, interrupts, soft, stolen, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
        all_of_it = (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
        # Our CPU time: this process, and the measured processes, which have ended when it is read.
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return monotonic(), all_of_it - sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
