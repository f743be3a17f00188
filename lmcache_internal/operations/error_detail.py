"""Adds `detail` to errors, beside `error` and `message`, because LMCache's own clients read it."""

from __future__ import annotations

from flask import Blueprint, Response

from ..errors import ApiError
from .error_handlers import api_error


def carry_detail(router: Blueprint, *kinds: type[ApiError], with_title: bool = False) -> None:
    """Add a `detail` to the errors of a blueprint's routes.

    Args:
        router: the blueprint.
        kinds: classes of the errors.
        with_title: whether the `detail` begins with the error's title; otherwise it is the message only.
    """

    def answer(error: ApiError) -> Response:
        title, message = error.payload["error"], error.payload.get("message")
        detail = f"{title}: {message}" if with_title and message else message or title
        error.payload = {**error.payload, "detail": detail}
        return api_error(error)

    for kind in kinds:
        router.register_error_handler(kind, answer)


def carry_sentence(router: Blueprint) -> None:
    """Have the errors of a blueprint's routes say all in `error`, and a `detail`: LMCache's clients show `error` alone.

    Args:
        router: the blueprint.
    """

    def answer(error: ApiError) -> Response:
        sentence = error.payload.get("message") or error.payload["error"]
        error.payload = {**error.payload, "error": sentence, "message": sentence, "detail": sentence}
        return api_error(error)

    router.register_error_handler(ApiError, answer)
