"""The runner of the documents: an error in a document fails with its line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.docs import interpreter
from tests.docs import server as server_module
from tests.docs import session as session_module
from tests.docs.blocks import BlockError, blocks_of
from tests.docs.session import Session
from tests.docs.surroundings import environment
from tests.support import accepts, eventually, free_port

Read = Callable[[str], None]

SERVES_A_SOCKET = """import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(f"Listening at: unix:{sys.argv[1]} (1)")
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test servers print their addresses quickly."""
    monkeypatch.setattr(server_module, "QUIET_SECONDS", 0.5)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


@pytest.fixture
def session(tmp_path: Path, checkout: Path) -> Iterator[Session]:
    for name in ("home", "blocks"):
        (tmp_path / name).mkdir()
    made = Session(checkout, tmp_path / "blocks", environment(Path(sys.prefix), tmp_path / "home"))
    yield made
    made.close()


@pytest.fixture
def read(session: Session, tmp_path: Path) -> Read:
    """Return a function that runs the blocks of a document."""

    def run(text: str) -> None:
        (tmp_path / "a.md").write_text(text)
        for block in blocks_of(tmp_path, "a.md"):
            session.run(block)

    return run


def test_directory_and_variables_carry_over(read: Read, checkout: Path) -> None:
    read("```bash\nmkdir sub && cd sub\nexport A=1\nb=2\n```\n\n```bash\necho $A$b > it\n```\n")
    assert (checkout / "sub" / "it").read_text() == "12\n"


@pytest.mark.parametrize("command", ["false", "false | cat", "echo $no_such_variable", "(exit 3)", "exit 0", "if"])
def test_failing_command_fails_the_block(read: Read, checkout: Path, command: str) -> None:
    with pytest.raises(BlockError, match=r"^a\.md:3: exit status"):
        read(f"```text\n```\n```bash\n{command}\ntouch after\n```\n")
    assert not (checkout / "after").exists()


def test_failure_has_document_line_and_output(read: Read) -> None:
    with pytest.raises(BlockError, match=r"(?s)a\.md:2: exit status 7.*on stdout.*on stderr.*line 5: \( exit 7 \)"):
        read("\n```bash\necho on stdout\necho on stderr >&2\n(exit 7)\n```\n")


def test_curl_fails_on_http_error(read: Read, server: InternalAPIServer) -> None:
    read(f"```bash\n{server.address.curl('/conf')}\n```\n")
    with pytest.raises(BlockError, match=r"(?s)exit status 22.*Not Found"):
        read(f"\n```bash\n{server.address.curl('/nowhere')}\n```\n")


def test_block_times_out(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "BLOCK_SECONDS", 5.0)
    with pytest.raises(BlockError, match=r"(?s)not done after 5 seconds.*so far"):
        read("```bash\necho so far; sleep 600\n```\n")


def test_python_blocks_share_names_and_follow_bash(read: Read, checkout: Path) -> None:
    read(
        "```python\na = 1\n```\n```bash\nmkdir sub; cd sub\n```\n"
        "```python\nimport pathlib\npathlib.Path('it').write_text(str(a + 1))\nprint('done')\n```\n"
        "```text output\ndone\n```\n"
    )
    assert (checkout / "sub" / "it").read_text() == "2"


def test_exception_fails_the_block_with_document_line(read: Read) -> None:
    with pytest.raises(BlockError, match=r'(?s)a\.md:2: exit status 1.*a\.md", line 4.*1 / 0.*ZeroDivisionError'):
        read("\n```python\na = 0\n1 / 0\n```\n")


def test_files_are_written_to_current_directory(read: Read, checkout: Path) -> None:
    read("```bash\nmkdir sub; cd sub\n```\n```python file=x.py\nraise SystemExit(3)\n```\n")
    assert (checkout / "sub" / "x.py").read_text() == "raise SystemExit(3)\n"
    with pytest.raises(BlockError, match=r"cannot write .*No such file"):
        read("```ini file=no/such/x.ini\n[a]\n```\n")


@pytest.mark.parametrize("shown", ["one\ntwo 12 three", "one\n…three", "…two … three\n", "…"])
def test_matching_output_passes(read: Read, shown: str) -> None:
    read(f"```bash\necho one; echo two 12 three >&2\n```\n\n```text output\n{shown}\n```\n")


@pytest.mark.parametrize("shown", ["one", "two 12 three", "…two", "one\ntwo .. three", "one … 13 three"])
def test_output_that_differs_fails_and_shows_both(read: Read, shown: str) -> None:
    with pytest.raises(BlockError, match=r"(?s)a\.md:5: the document shows.*printed.*two 12 three"):
        read(f"```bash\necho one; echo two 12 three\n```\n\n```text output\n{shown}\n```\n")


def test_output_is_that_of_previous_block(read: Read) -> None:
    with pytest.raises(BlockError, match=r"a\.md:7: the document shows"):
        read("```bash\necho one\n```\n```text file=x\none\n```\n```text output\none\n```\n")


def test_server_runs_until_end_of_document(read: Read, session: Session) -> None:
    port = free_port()
    read(
        f"```bash serve\nsleep 0.3\npython -m http.server --bind 127.0.0.1 {port}\n```\n"
        f"```text output\nServing HTTP on … port {port} …\n```\n```bash\ncurl http://localhost:{port}/\n```\n"
    )
    session.close()
    assert eventually(lambda: not accepts(port))


def test_all_servers_of_a_block_are_awaited(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "QUIET_SECONDS", 5.0)  # The second one takes a while on a busy machine.
    first, second = free_port(), free_port()
    server = "python -m http.server --bind 127.0.0.1"
    read(
        f"```bash serve\n{server} {first} & sleep 0.3\n{server} {second}\n```\n"
        f"```bash\ncurl http://localhost:{second}/\n```\n"
    )


def test_wait_names_the_ports_of_a_server_that_prints_none(read: Read) -> None:
    first, second = free_port(2), free_port()
    server = "python -m http.server --bind 127.0.0.1"
    read(
        f"```bash serve wait={first},{second}\n{server} {first} >/dev/null &\n"
        f"sleep 0.5\n{server} {second} >/dev/null\n```\n"
        f"```bash\ncurl http://localhost:{first}/ http://localhost:{second}/\n```\n"
    )


def test_server_may_print_a_unix_socket(read: Read, checkout: Path) -> None:
    (checkout / "serve.py").write_text(SERVES_A_SOCKET)
    read("```bash serve\npython serve.py $PWD/it\n```\n```bash\ntest -S it\n```\n")


def test_server_that_exits_fails_immediately_with_output(read: Read) -> None:
    with pytest.raises(BlockError, match=r"(?s)a\.md:1: the server ended.*no such luck"):
        read("```bash serve wait=1\necho no such luck\n```\n")


def test_server_that_exits_later_fails_next_block(read: Read) -> None:
    port = free_port()
    read(f"```bash serve wait={port}\necho $BASHPID > pid; exec python -m http.server --bind 127.0.0.1 {port}\n```\n")
    with pytest.raises(BlockError, match=r"(?s)a\.md:1: the server ended.*Serving HTTP"):
        read("\n\n\n```bash\nkill $(cat pid); while ps -o stat= $(cat pid) | grep -qv Z; do sleep 0.1; done\n```\n")


def test_server_that_never_listens_fails(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "BLOCK_SECONDS", 5.0)
    with pytest.raises(BlockError, match=r"(?s)does not answer after 5 seconds.*thinking"):
        read(f"```bash serve wait={free_port()}\necho thinking; sleep 600\n```\n")


def test_server_that_ignores_sigterm_is_killed(read: Read, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "STOP_SECONDS", 0.3)
    port = free_port()
    read(f"```bash serve wait={port}\ntrap '' TERM\npython -m http.server --bind 127.0.0.1 {port}\n```\n")
    session.close()
    assert eventually(lambda: not accepts(port))
