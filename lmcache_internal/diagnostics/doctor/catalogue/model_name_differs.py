"""Ranks have different names for the model."""

from .. import Trouble, differs

trouble = Trouble(
    code="model-name-differs",
    group="shape",
    title="The name of the model is not the same in all ranks",
    severity="error",
    meaning="The name of the model is a part of each key. Ranks with different names never find the chunks of each "
    "other, even if the model is the same: a path and a repository name are two names.",
    confirm="`lmcache-internal get '/meta?names=model_name'` shows the name of each rank. If they are different "
    "deployments, run the doctor on one of them at a time.",
    next_step="Start all ranks with the same --model argument.",
    needs=("metadata.model_name",),
    roles=("scheduler", "worker"),
    in_fleet=differs("metadata.model_name", "model names"),
)
