"""Hostile pages in a real Chromium can neither change nor read anything."""

from __future__ import annotations

import contextlib
import html
import json
import logging
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.security import gate as gate_module
from tests.security.support import audit_of, serving
from tests.support import eventually

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs /usr/bin/chromium")

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    # The permission prompt for loopback would also stop these pages, but not every browser has it.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
    "--dump-dom",
    "--virtual-time-budget=4000",
]
LOGGER = "tests.chromium"

# A page that attempts all kinds of requests to the server at TARGET, and reports the results in `seen`.
FORGERY = """<!doctype html><title>Free tokens</title>
<form id="f" method="post" enctype="multipart/form-data" action="TARGET/run_script" target="frame">
<input type="file" name="script"></form><iframe name="frame"></iframe>
<iframe name="plain"></iframe>
<form id="g" method="post" enctype="text/plain" action="TARGET/conf" target="plain">
<input name='{"min_retrieve_tokens": 7, "x": "' value='"}'></form>
<img src="TARGET/loglevel?logger_name=LOGGER&level=ERROR">
<img src="TARGET/loglevel?logger_name=LOGGER&level=&level=ERROR">
<link rel="stylesheet" href="TARGET/loglevel?logger_name=LOGGER&level=ERROR">
<script src="TARGET/loglevel?logger_name=LOGGER&level=ERROR"></script>
<pre id="seen">nothing</pre>
<script>
const seen = {};
const file = new File(["app.state.owned = True"], "s.py");
const files = new DataTransfer(); files.items.add(file);
document.querySelector("input[type=file]").files = files.files;
document.getElementById("f").submit();
document.getElementById("g").submit();
async function attempt(name, path, options) {
  try {
    const response = await fetch("TARGET" + path, options);
    seen[name] = response.type + " " + (await response.text()).slice(0, 200);
  } catch (error) { seen[name] = "error"; }
}
(async () => {
  const form = new FormData(); form.append("script", file);
  const body = '{"min_retrieve_tokens": 7}';
  await attempt("read", "/conf");
  await attempt("blind", "/conf", {mode: "no-cors"});
  await attempt("script", "/run_script", {method: "POST", mode: "no-cors", body: form});
  await attempt("conf", "/conf", {method: "POST", mode: "no-cors", body});
  await attempt("json", "/conf", {method: "POST", body, headers: {"Content-Type": "application/json"}});
  await attempt("put", "/freeze/enable", {method: "PUT"});
  await attempt("keep", "/conf", {method: "POST", mode: "no-cors", keepalive: true, body});
  navigator.sendBeacon("TARGET/conf", body);
  seen.done = true;
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>
"""

# For the browser, the rebound page has the same origin as the server.
REBOUND = """<!doctype html><pre id="seen">nothing</pre>
<script>
(async () => {
  const seen = {};
  for (const path of ["/conf", "/metrics", "/", "/env"]) {
    try {
      const response = await fetch("TARGET" + path);
      seen[path] = response.status + " " + (await response.text()).slice(0, 200);
    } catch (error) { seen[path] = "error"; }
  }
  seen.done = true;
  document.getElementById("seen").textContent = JSON.stringify(seen);
})();
</script>
"""


@contextlib.contextmanager
def hostile_site(target: str) -> Iterator[int]:
    """Serve the hostile pages on another port, and so with another origin."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = {"/forgery": FORGERY, "/rebound": REBOUND}.get(self.path, "")
            body = page.replace("TARGET", target).replace("LOGGER", LOGGER).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(site.server_address[1])
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


def dump_page(url: str, directory: Path, *flags: str) -> str:
    """Return the DOM of the page after its scripts ran; Chromium exits afterwards."""
    profile = directory / "profile"
    command = [str(CHROMIUM), *FLAGS, *flags, f"--user-data-dir={profile}", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout


def seen_by(page: str) -> dict[str, Any]:
    found = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert found is not None, page[:500]
    seen: dict[str, Any] = json.loads(html.unescape(found[1]))
    assert seen.pop("done")
    return seen


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    logging.getLogger(LOGGER).setLevel(logging.NOTSET)
    with serving(tmp_path) as running:
        yield running
    logging.getLogger(LOGGER).setLevel(logging.NOTSET)


def changes(server: InternalAPIServer) -> set[str]:
    """Return the names of the changes that the page achieved."""
    assert server.app is not None
    manager = server.app.state.lmcache_adapter
    found = {
        "script": hasattr(server.app.state, "owned"),
        "conf": manager.config.min_retrieve_tokens != 0,
        "freeze": manager.lmcache_engine.is_frozen(),
        "loglevel": logging.getLogger(LOGGER).level != logging.NOTSET,
    }
    return {name for name, happened in found.items() if happened}


def test_page_of_another_site_reads_and_changes_nothing(server: InternalAPIServer, tmp_path: Path) -> None:
    with hostile_site(f"http://127.0.0.1:{server.port}") as port:
        seen = seen_by(dump_page(f"http://127.0.0.1:{port}/forgery", tmp_path))
    assert changes(server) == set()
    assert seen["read"] == seen["json"] == seen["put"] == "error"
    assert {seen[name] for name in ("blind", "script", "conf", "keep")} == {"opaque "}
    entries = audit_of(server.app)
    refused = {(entry["method"], entry["path"]) for entry in entries}
    assert refused >= {("POST", "/run_script"), ("POST", "/conf"), ("GET", "/loglevel"), ("OPTIONS", "/conf")}
    assert {(entry["status"], entry["outcome"]) for entry in entries} == {(403, "refused")}


def test_page_on_another_loopback_name_changes_nothing(server: InternalAPIServer, tmp_path: Path) -> None:
    with hostile_site(f"http://127.0.0.1:{server.port}") as port:
        seen_by(dump_page(f"http://localhost:{port}/forgery", tmp_path))
    assert changes(server) == set()
    assert {entry["outcome"] for entry in audit_of(server.app)} == {"refused"}


def test_page_changes_state_without_the_origin_check(
    server: InternalAPIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "check_origin", lambda _: None)
    with hostile_site(f"http://127.0.0.1:{server.port}") as port:
        seen_by(dump_page(f"http://127.0.0.1:{port}/forgery", tmp_path))
    # All except freeze, which requires a preflight that the server does not allow.
    assert eventually(lambda: changes(server) == {"script", "conf", "loglevel"}), changes(server)


REBINDING = "--host-resolver-rules=MAP evil.example 127.0.0.1"


def test_dns_rebinding_reads_nothing(server: InternalAPIServer, tmp_path: Path) -> None:
    for path in ("/conf", "/metrics", "/"):
        page = dump_page(f"http://evil.example:{server.port}{path}", tmp_path, REBINDING)
        assert "is not a name of this server" in html.unescape(page)
        assert "chunk_size" not in page
        assert "python_info" not in page
    entries = audit_of(server.app)
    assert {(entry["path"], entry["status"]) for entry in entries} >= {
        (path, 403) for path in ("/conf", "/metrics", "/")
    }


def test_requests_of_a_rebound_page_read_nothing(server: InternalAPIServer, tmp_path: Path) -> None:
    target = f"http://evil.example:{server.port}"
    with hostile_site(target) as port:
        seen = seen_by(dump_page(f"http://evil.example:{port}/rebound", tmp_path, REBINDING))
    assert set(seen.values()) == {"error"}
    assert {entry["status"] for entry in audit_of(server.app)} == {403}


def test_dns_rebinding_reads_the_configuration_without_the_host_check(
    server: InternalAPIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "check_host", lambda *_: None)
    page = dump_page(f"http://evil.example:{server.port}/conf", tmp_path, REBINDING)
    assert '"chunk_size": 16' in html.unescape(page)
