"""Package metadata; `blueprints/` is installed inside the package, see `package_dir`."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent

CLI = ["httpcore>=1", "httpx>=0.27", "rich>=13"]
KUBERNETES = ["kubernetes>=29", "websocket-client>=1.6"]
DOCS = ["flask-swagger-ui>=4.11"]
# Tested in `make test-pythons`.
PYTHONS = ("3.10", "3.11", "3.12", "3.13")

setup(
    name="lmcache-internal",
    version=runpy.run_path(str(here / "lmcache_internal" / "version.py"))["__version__"],
    description="The internal API server of an LLM KV-cache engine (LMCache), as a Flask/WSGI blueprint library",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=["lmcache_internal", "lmcache_internal.*"]), "lmcache_internal.blueprints"],
    # A top-level package `blueprints` would collide with that of every Flask app that has one.
    package_dir={"lmcache_internal.blueprints": "blueprints"},
    package_data={
        "lmcache_internal": [
            "py.typed",
            "cli/plugin_template/*.py",
            "openapi/pages/*.html",
            "openapi/pages/*.js",
            "ui/assets/*",
            "ui/assets/fleet/*",
            "ui/assets/styles/*",
            "ui/assets/views/*",
        ]
    },
    install_requires=[
        "apispec>=6.6",
        "click>=8.1",
        "flask>=3.1.2,<4",  # Before that, stream_with_context() fails where another thread runs the view.
        "waitress>=3.0.1,<4",
        "werkzeug>=3.0.3,<4",
        "pyyaml>=6",
        "prometheus-client>=0.18",
        "msgspec>=0.18.6",
    ],
    entry_points={
        "console_scripts": ["lmcache-internal = lmcache_internal.cli:main"],
        "pytest11": ["lmcache_internal.testing = lmcache_internal.testing"],
        # vLLM calls it in each of its processes; see integrations/lmcache.py.
        "vllm.general_plugins": ["lmcache_internal = lmcache_internal.integrations.lmcache:vllm_plugin"],
    },
    extras_require={
        "cli": CLI,
        "docs": DOCS,
        "kubernetes": [*CLI, *KUBERNETES],
        "lmcache": ["lmcache>=0.3.15,<0.6"],
        "dev": [
            *CLI,
            *DOCS,
            *KUBERNETES,
            "build",
            # The types of Grafana 11.6. Its first number is an epoch, without which pip takes the oldest Grafana.
            "grafana-foundation-sdk==1769699379!11.6.0; python_version >= '3.11'",
            "gunicorn",
            "h11",
            "hypothesis",
            "import-linter",
            "kubernetes-validate>=1.37",
            "markdown-it-py",
            "mypy",
            "openapi-spec-validator",
            "pytest",
            "pytest-rerunfailures>=16.7",
            "ruff",
            "schemathesis>=4",
            "types-PyYAML",
            "websockets>=13",
        ],
        "release": ["build", "check-wheel-contents", "cyclonedx-bom>=7", "pip>=23", "twine>=6"],
        "site": [
            "click-man>=0.6",
            "mkdocs-click>=0.9",
            "mkdocstrings[python]>=1",
            "zensical==0.0.73",  # Before 1.0, any version may change the pages; 0.1 requires more than pip finds.
        ],
        "mutation": ["cosmic-ray>=8.4"],  # It brings a database and an HTTP client, which no other target needs.
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Flask",
        "Intended Audience :: System Administrators",
        "Programming Language :: Python :: 3 :: Only",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: {version}" for version in PYTHONS),
        "Topic :: System :: Monitoring",
        "Typing :: Typed",
    ],
)
