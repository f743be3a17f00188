"""Ranks disagree about multi-head latent attention."""

from .. import Trouble, differs

trouble = Trouble(
    code="mla-differs",
    group="shape",
    title="Multi-head latent attention is not the same in all ranks",
    severity="error",
    meaning="With multi-head latent attention (MLA), all workers have the same KV cache, and only the first one "
    "stores it. A rank that disagrees expects chunks of another shape, under keys with another world size.",
    confirm="`lmcache-internal get '/meta?names=use_mla'` shows the value of each rank.",
    next_step="Start all ranks with the same model, the same version of vLLM and the same VLLM_MLA_DISABLE.",
    needs=("metadata.use_mla",),
    roles=("scheduler", "worker"),
    in_fleet=differs("metadata.use_mla", "values of use_mla"),
)
