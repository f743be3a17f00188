"""Run the Python files that are named on standard input, in one namespace; acknowledge each with a line."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Until there are no more names, or a file raises."""
    sys.path[0] = ""  # Import from where it is, as an interactive Python does.
    names, acknowledge = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    namespace = vars(sys.modules["__main__"])  # where pickle and others look for a program's names
    for line in names:
        name, directory = line.rstrip("\n").split("\t")
        os.chdir(directory)
        _redirect(f"{name}.out")
        exec(compile(Path(name).read_text(), name, "exec"), namespace)
        sys.stdout.flush()
        print(file=acknowledge, flush=True)


def _redirect(path: str) -> None:
    """Let this process and its children read nothing and write to the file."""
    with Path(os.devnull).open("rb") as nothing, Path(path).open("wb") as output:
        for number, stream in enumerate((nothing, output, output)):
            os.dup2(stream.fileno(), number)


main()
