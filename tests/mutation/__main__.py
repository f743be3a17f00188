"""`make mutate`: exits with 1 if the tests detect fewer than nine of ten mutants, and prints the others."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.mutation.checkout import Checkout, Outcome
from tests.mutation.equal import EQUAL
from tests.mutation.mutants import Mutant, draw
from tests.mutation.quick_tests import quick_tests

MIN_SCORE = 0.9


def main() -> int:
    """Run for `MUTATE_SECONDS`, from `MUTATE_SEED`, for the files whose names contain `MUTATE`."""
    seconds = float(os.environ.get("MUTATE_SECONDS") or 600)
    seed = os.environ.get("MUTATE_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"MUTATE_SEED={seed}, {seconds:g} seconds", flush=True)
    tests = {file: selection for file, selection in quick_tests().items() if os.environ.get("MUTATE", "") in file}
    outcomes: Counter[Outcome] = Counter()
    survivors = []
    with tempfile.TemporaryDirectory(prefix="lmcache-internal-mutate-") as folder:
        checkout = Checkout(Path(folder))
        for mutant in _until(time.monotonic() + seconds, draw(checkout.folder, list(tests), random.Random(seed))):
            outcome = checkout.outcome(mutant.file, mutant.source, tests[mutant.file])
            print(f"{outcome:9}", mutant, flush=True)
            outcomes[outcome] += 1
            survivors += [mutant] if outcome == "survived" else []
    return _report(outcomes, survivors)


def _until(end: float, mutants: Iterator[Mutant]) -> Iterator[Mutant]:
    for mutant in mutants:
        if time.monotonic() > end:
            return
        if (mutant.file, mutant.before, mutant.after) not in EQUAL:
            yield mutant


def _report(outcomes: Counter[Outcome], survivors: list[Mutant]) -> int:
    tried = sum(outcomes.values())
    if not tried:
        print("No mutant was tried: MUTATE names no file, or MUTATE_SECONDS are too few.")
        return 1
    print("\nSurvivors:", *map(str, survivors), sep="\n")
    score = 1 - len(survivors) / tried
    found = f"{outcomes['killed']} killed, {outcomes['timed out']} timed out"
    print(f"\n{tried} mutants, {found}: {score:.0%} (at least {MIN_SCORE:.0%} required)")
    return 0 if score >= MIN_SCORE else 1


if __name__ == "__main__":
    sys.exit(main())
