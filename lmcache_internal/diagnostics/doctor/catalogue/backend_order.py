"""A chunk is only in a backend that is read before another one."""

from .. import Trouble

trouble = Trouble(
    code="backend-order",
    group="prompt",
    title="A chunk is only in a backend that is read before another one",
    severity="notice",
    meaning="LMCache reads a prefix from one backend after the other, each from the first chunk that the "
    "backends before it do not have. It does not return to an earlier backend. A chunk that only an "
    "earlier backend has, after a chunk that only a later backend has, is a miss.",
    confirm="Compare `backends` of the chunks before and after the first miss with the order in `GET /backends`.",
    next_step="Nothing needs to be done: the missing chunks are stored in all backends again when the prompt is "
    "computed.",
    roles=("worker",),
)
