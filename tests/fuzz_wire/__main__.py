"""`make fuzz-wire`: exits with 1 if the server and plain waitress disagree, and prints the stream."""

from __future__ import annotations

import logging
import os
import random
import sys

from tests.fuzz_wire.fuzzing import Fuzzer, series
from tests.fuzz_wire.servers import both


def main() -> int:
    """Run for `FUZZ_SECONDS`, from `FUZZ_SEED`."""
    seconds = float(os.environ.get("FUZZ_SECONDS") or 60)
    seed = os.environ.get("FUZZ_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"FUZZ_SEED={seed}, {seconds:g} seconds", flush=True)
    logging.disable(logging.CRITICAL)  # Otherwise each refusal and each error in waitress would be logged.
    with both() as servers:
        fuzzer = Fuzzer(servers)
        fuzzer.run(series(seed), seconds)
    print(f"{fuzzer.tried} streams, {len(fuzzer.found)} disagreements")
    for found in fuzzer.found:
        print(f"\n{found}")
    return 1 if fuzzer.found else 0


if __name__ == "__main__":
    sys.exit(main())
