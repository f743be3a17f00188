"""The mutants of a file: the changes that cosmic-ray's operators can make."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

# These operators need the names of variables.
_SKIPPED = {"core/VariableReplacer", "core/VariableInserter"}
# In this code, `is` compares only None, True and enum members, for which `==` gives the same result.
_SKIPPED |= {f"core/ReplaceComparisonOperator_{pair}" for pair in ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")}


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n    - {self.before}\n    + {self.after}"


class _Finder(Visitor):  # type: ignore[misc]  # cosmic-ray has no types.
    """Lists the operators that can change each place in a file."""

    def __init__(self) -> None:
        self.places: dict[Any, list[tuple[str, int]]] = defaultdict(list)
        self._operators = {name: get_operator(name)() for name in operator_names() if name not in _SKIPPED}
        self._seen: Counter[str] = Counter()

    def visit(self, node: Any) -> Any:
        for name, operator in self._operators.items():
            for position in operator.mutation_positions(node):
                if not _is_left_out(name, node, position):
                    self.places[position].append((name, self._seen[name]))
                self._seen[name] += 1
        return node


def draw(root: Path, files: list[str], chance: random.Random) -> Iterator[Mutant]:
    """Yield mutants in random order: each place of each file once, with one of the possible changes."""
    places = []
    for file in files:
        source = (root / file).read_text(encoding="utf-8")
        finder = _Finder()
        finder.walk(get_ast(source))
        places += [(file, source, changes) for _, changes in sorted(finder.places.items())]
    chance.shuffle(places)
    print(f"{len(places)} places in {len(files)} files", flush=True)
    for file, source, changes in places:
        yield _mutant(file, source, *chance.choice(changes))


def _mutant(file: str, source: str, operator: str, occurrence: int) -> Mutant:
    mutated = mutate_code(source, get_operator(operator)(), occurrence)
    before, after = source.splitlines(), mutated.splitlines()
    line = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), 0)
    return Mutant(file, line + 1, before[line].strip(), after[line].strip(), mutated)


def _is_left_out(operator: str, node: Any, position: Any) -> bool:
    is_tuned = operator == "core/NumberReplacer" and _is_constant(node)
    is_dotted = operator == "core/ExceptionReplacer" and node.get_leaf_for_position(position[0]).end_pos != position[1]
    return _is_annotation(node) or is_tuned or is_dotted  # cosmic-ray cannot replace an exception with a dotted name.


def _is_annotation(node: Any) -> bool:
    """Annotations are not evaluated; a type checker checks them."""
    while (parent := node.parent) is not None:
        place = {"annassign": 1, "tfpdef": 2}.get(parent.type)
        if place is not None and node is parent.children[place]:
            return True
        if parent.type == "funcdef" and node is parent.annotation:
            return True
        node = parent
    return False


def _is_constant(node: Any) -> bool:
    """Numbers of constants are tuned, so one more or one less is not a fault."""
    while node.parent is not None and node.type != "expr_stmt":
        node = node.parent
    name = node.get_first_leaf().value
    return bool(node.type == "expr_stmt" and node.parent.parent.type == "file_input" and name.isupper())
