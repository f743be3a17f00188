"""`make release`: two builds have the same bytes, and the files are complete and free of traces of the machine."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

from tests.support import ROOT


def test_two_builds_have_the_same_bytes(releases: list[Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in dist.iterdir()} for dist in releases)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_a_release_has_four_files_and_their_hashes(releases: list[Path]) -> None:
    dist = releases[0]
    names = sorted(path.name for path in dist.iterdir())
    stem = names[-1].removesuffix(".tar.gz")
    assert names == ["SHA256SUMS", f"{stem}-py3-none-any.whl", f"{stem}.cdx.json", f"{stem}.tar.gz"]
    lines = [line.split("  ") for line in (dist / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums == {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in names[1:]}


def test_the_wheel_has_the_modules_of_the_last_commit(releases: list[Path]) -> None:
    with ZipFile(next(releases[0].glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    listing = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", "lmcache_internal", "blueprints"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    committed = {re.sub("^blueprints/", "lmcache_internal/blueprints/", name) for name in listing.stdout.split()}
    for_checks = {"lmcache_internal/ui/package.json", "lmcache_internal/ui/types.d.ts"}
    assert packed == committed - for_checks


def test_the_sdist_has_the_documents_and_nothing_of_its_builder(releases: list[Path]) -> None:
    with tarfile.open(next(releases[0].glob("*.tar.gz"))) as sdist:
        members = sdist.getmembers()
        setup = next(sdist.extractfile(member) for member in members if member.name.endswith("/setup.py"))
        assert setup
        assert setup.read() == _committed("setup.py")
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1
    assert {member.mode for member in members} <= {0o644, 0o755}
    names = {member.name.partition("/")[2] for member in members}
    assert {"CHANGELOG.md", "LICENSE", "docs/quickstart.md", "docs/benchmarks.svg"} <= names
    assert set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", _committed("README.md").decode())) <= names, "pictures"
    assert not [name for name in names if name.startswith("tests")]


def test_the_sbom_lists_the_package_and_what_it_requires(releases: list[Path]) -> None:
    text = next(releases[0].glob("*.cdx.json")).read_text()
    document = json.loads(text)
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "lmcache-internal"
    components = {component["name"].lower() for component in document["components"]}
    assert {"flask", "waitress", "prometheus_client", "httpx", "flask-swagger-ui"} <= components
    assert not components & {"pip", "setuptools", "lmcache", "lmcache-internal"}
    direct = next(row for row in document["dependencies"] if row["ref"] == "root-component")["dependsOn"]
    assert {name.partition("==")[0].lower() for name in direct} >= {"flask", "waitress", "rich", "flask-swagger-ui"}
    assert all(re.match(r"pkg:pypi/[^?]+$", component["purl"]) for component in document["components"])
    assert "file:" not in text


def test_declared_pythons_are_the_tested_ones() -> None:
    declared = re.search(r"^PYTHONS = \((.*)\)", (ROOT / "setup.py").read_text(), re.MULTILINE)
    tested = re.search(r"^PYTHONS \?= (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert declared
    assert tested
    versions = re.findall(r'"(3\.\d+)"', declared[1])
    assert [f"python{version}" for version in versions] == tested[1].split()
    in_words = f"Python {versions[0]} to {versions[-1]}"
    for document in ("README.md", "docs/quickstart.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        assert in_words in (ROOT / document).read_text(), document


def _committed(name: str) -> bytes:
    return subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True, capture_output=True).stdout
