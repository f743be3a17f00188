"""Runs the Python files named on standard input in one namespace; prints a line after each."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run files until the input ends or a file raises."""
    sys.path[0] = ""  # Import from the working directory, as interactive Python does.
    names, acknowledge = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    namespace = vars(sys.modules["__main__"])  # Where pickle and others look up names.
    for line in names:
        name, directory = line.rstrip("\n").split("\t")
        os.chdir(directory)
        _redirect(f"{name}.out")
        exec(compile(Path(name).read_text(), name, "exec"), namespace)
        sys.stdout.flush()
        print(file=acknowledge, flush=True)


def _redirect(path: str) -> None:
    """Redirect input of this process and its children from /dev/null, and output to the file."""
    with Path(os.devnull).open("rb") as nothing, Path(path).open("wb") as output:
        for number, stream in enumerate((nothing, output, output)):
            os.dup2(stream.fileno(), number)


main()
