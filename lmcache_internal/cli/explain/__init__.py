"""`explain`: show which tokens of a prompt the caches have, and why the others are missing."""

from __future__ import annotations

import json
from typing import Any

import click

from ..client import Client
from ..commands import Command
from ..fleet import Fleet
from ..options import ENGINE_SECONDS, fleet_options
from .compare import add_differences, differ
from .explanation import Explanation, fetch_explanation
from .prompt import Prompt, prompt_options
from .view import print_explanations


def _pair(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    for text in texts:
        if text.find("=") < 1:
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}")
    return {name: _value(value) for name, _, value in (text.partition("=") for text in texts)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@click.command(cls=Command)
@prompt_options
@click.option(
    "--request-config",
    "request_configs",
    multiple=True,
    callback=_pair,
    metavar="NAME=VALUE",
    help="A request config that is part of the keys, such as lmcache.tag.user=alice; repeatable.",
)
@click.option("--cache-salt", help="The cache salt of the request, for LMCache's MP server.")
@click.option("--model-name", help="The model, for LMCache's MP server with several.")
@fleet_options(seconds=ENGINE_SECONDS)
def explain(fleet: Fleet, prompt: Prompt, **given: Any) -> None:
    """Show which tokens of a prompt are cached, and why the others are not.

    vLLM tokenizes the prompt; the servers get token numbers only. Each rank computes the keys of the chunks as its
    engine does, and looks them up. Nothing is stored, moved or pinned. The keys of all ranks are compared. The exit
    status is 1 if a server failed or the keys differ; a prompt that is not cached is no failure.

    Example: lmcache-internal explain --prompt 'Once upon a time' --vllm http://127.0.0.1:8000 --config lmcache.yaml
    """
    tokens = prompt.tokens(fleet.seconds)
    body = {
        "tokens": tokens,
        **{name: value for name, value in given.items() if value},
    }

    def ask(client: Client) -> Explanation:
        return fetch_explanation(client, body)

    outcomes = add_differences(fleet.each(ask))
    if fleet.screen.as_json:
        fleet.show([outcome.map(Explanation.public) for outcome in outcomes], dict)
    else:
        print_explanations(fleet, tokens, outcomes)
        fleet.report_failures(outcomes)
    if differ(outcomes):
        raise SystemExit(1)
