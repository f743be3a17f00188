"""Run a script against the live engine, in a separate thread and with a timeout.

This is not a sandbox: a script can do everything that Python can. Only its imports are restricted, to prevent
accidental imports of large libraries into the engine's process.
"""

from __future__ import annotations

import builtins
import codecs
import io
import linecache
import time
import tokenize
import traceback
from collections.abc import Collection
from itertools import count
from typing import Any

import msgspec

from ..errors import ApiError, BadRequest, CallTimedOut
from ..limits.script_limit import RunningScripts
from ..limits.timeouts import Call, stuck_calls

DONE = "Script executed successfully"
WHERE_OUTPUT_IS = "The printed text is in the output of the engine, and in the response with Accept: application/json."
"""Added to the result for a client that does not receive the printed text."""
_MAX_STDOUT = 1 << 20
_FOR_DOMAINS = ("punycode", "idna")
"""Encodings that take quadratic time to decode, before the timeout of the script begins."""
_numbers = count(1)
_running = RunningScripts()  # Per process, not per app, because all apps share the interpreter.


class Outcome(msgspec.Struct, dict=True):
    """The result of a script; as text, it is `str(result)`.

    Attributes:
        result: its variable `result`, converted to JSON types, or `DONE`.
        stdout: the printed text, at most 1 MiB.
        error: the exception that ended it, or None.
        traceback: where it raised or was stopped, only the script's own code.
        seconds: duration.
    """

    result: Any = DONE
    stdout: str = ""
    error: str | None = None
    traceback: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        return str(self.__dict__.get("text", DONE))


class ScriptFailed(ApiError):
    """The script raised (500)."""


def run_script(
    source: bytes, app: Any, allowed_imports: Collection[str], timeout: float, limit: int, about: str
) -> Outcome:
    """Execute `source` with the variable `app`.

    Args:
        source: Python source in UTF-8, or in the encoding that it declares.
        app: the variable `app` of the script.
        allowed_imports: modules (with their submodules) that it may import.
        timeout: seconds after which it is stopped.
        limit: number of scripts that may run concurrently in this process, including this one.
        about: description with the sender, for the error of requests that are refused while it runs.

    Returns:
        The outcome of a script that finished.

    Raises:
        BadRequest: the source is not valid text in its encoding (400).
        Busy: too many scripts are running (503).
        ScriptFailed: the script raised, or does not compile (500).
        CallTimedOut: it was still running after `timeout` (504).
    """
    script = _Script(_text_of(source), app, allowed_imports)
    call = Call(script.filename, script.run)
    _running.admit(call, about, limit)
    try:
        started = time.monotonic()
        finished = call.finish(timeout)
        outcome = script.outcome
        outcome.seconds = time.monotonic() - started
        outcome.stdout = script.stdout.getvalue()
        return _judge(call, script, finished, timeout)
    finally:
        if not call.is_alive():
            _running.discard(call)
        linecache.cache.pop(script.filename, None)
        call.error = None  # The traceback refers to the call, and only the garbage collector would free this cycle.


def _text_of(source: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        if codecs.lookup(encoding).name in _FOR_DOMAINS:
            raise LookupError(f"{encoding} is only for domain names")
        text = source.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise BadRequest(
            f"The script cannot be decoded: {error}; save it as UTF-8, or declare its encoding in the first line: "
            "# -*- coding: cp1252 -*-",
            title="Invalid script",
        ) from None
    if "\0" in text:
        raise BadRequest("The script contains NUL characters; is it a binary file?", title="Invalid script")
    return text


def _judge(call: Call, script: _Script, finished: bool, timeout: float) -> Outcome:
    outcome = script.outcome
    if not finished:
        raise _stopped(call, script, timeout)
    if call.error is not None:
        message = str(call.error) or type(call.error).__name__
        outcome.result, outcome.error = None, f"{type(call.error).__name__}: {call.error}"
        outcome.traceback = script.own_part("".join(traceback.format_exception(call.error)))
        raise ScriptFailed(message, text=f"Error executing script: {message}", payload=outcome)
    return outcome


class _Script:
    def __init__(self, source: str, app: Any, allowed_imports: Collection[str]) -> None:
        self.outcome = Outcome()
        self.stdout = _Capture()
        self.filename = f"<script {next(_numbers)}>"
        self._source = source
        self._app = app
        self._allowed = allowed_imports

    def run(self) -> None:
        # This allows tracebacks to quote the script's lines.
        linecache.cache[self.filename] = (len(self._source), None, self._source.splitlines(True), self.filename)
        code = compile(self._source, self.filename, "exec")
        own = vars(builtins) | {"__import__": self._import, "print": self._print}
        namespace = {"__name__": "__main__", "__builtins__": own, "app": self._app}
        exec(code, namespace)
        result = namespace.get("result", DONE)
        text = str(result)
        if "result" not in namespace and self.stdout.tell():
            text += f"\n{WHERE_OUTPUT_IS}"
        self.outcome.__dict__["text"] = text  # Not a field, because it is not part of the JSON.
        try:
            self.outcome.result = msgspec.to_builtins(result, enc_hook=str, str_keys=True)
        except (TypeError, ValueError, RecursionError):
            self.outcome.result = str(result)

    def own_part(self, stack: str) -> str:
        """Return `stack` without the frames of the server."""
        own = stack.find(f'  File "{self.filename}"')
        return stack[own:] if own >= 0 else stack.splitlines()[-1]

    def _import(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        if any(name == allowed or name.startswith(f"{allowed}.") for allowed in ("__future__", *self._allowed)):
            return builtins.__import__(name, *arguments, **keywords)
        raise ImportError(
            f"Import of '{name}' is not allowed; list it in script_allowed_imports in the configuration, and restart"
        )

    def _print(self, *values: Any, file: Any = None, **options: Any) -> None:
        print(*values, file=file, **options)
        if file is None:
            print(*values, file=self.stdout, **options)


class _Capture(io.StringIO):
    """Keeps the first MiB, so that a script with endless output does not fill the memory."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, _MAX_STDOUT - self.tell())])
        return len(text)


def _stopped(call: Call, script: _Script, timeout: float) -> CallTimedOut:
    stack = script.own_part(call.stack() or "it has just finished\n")
    if call.stop():
        result = "was stopped"
    else:
        result = "could not be stopped; its thread keeps running"
        call.name = f"{call.name} (stuck)"
        stuck_calls.add(call)
    message = f"The script was still running after {timeout:g} s and {result}"
    outcome = script.outcome
    outcome.result, outcome.error, outcome.traceback = None, message, stack
    return CallTimedOut(message, text=f"{message}. It was here:\n{stack}", payload=outcome)
