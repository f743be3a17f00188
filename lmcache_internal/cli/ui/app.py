"""The gateway: a Flask app that shows the fleet, and forwards requests to its ranks."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from ...errors import ApiError
from . import change_api, explain_api, fleet_api, guard, proxy
from .login import Login
from .state import KEY, Gateway


def create_gateway(state: Gateway, login: Login, port: int) -> Flask:
    """Create the gateway.

    Args:
        state: the servers; the gateway talks to no others.
        login: its login links and sessions.
        port: the port of loopback where it is served.
    """
    app = Flask("lmcache_internal_ui", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = proxy.MAX_BODY
    app.extensions[KEY] = state
    guard.guard(app, login, port)
    for module in (fleet_api, change_api, explain_api, proxy):
        app.register_blueprint(module.router)
    app.register_error_handler(ApiError, _refused)
    app.register_error_handler(HTTPException, _not_found)
    return app


def _refused(error: ApiError) -> Response:
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        response = Response(guard.refusal_page(str(error)), content_type="text/html; charset=utf-8")
    else:
        response = jsonify(error.payload)
    response.status_code = error.status
    response.headers.update(error.headers)
    return response


def _not_found(error: HTTPException) -> Response:
    response = jsonify({"error": error.name, "message": error.description})
    response.status_code = error.code or 500
    return response
