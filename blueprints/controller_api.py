"""What LMCache's controller knows of the workers; served where there is a controller."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from lmcache_internal.api import EngineUnavailable, NotFound, internal_app, operation

router = Blueprint("controller", __name__, url_prefix="/controller")

_FIELDS = (
    *("instance_id", "worker_id", "ip", "port", "peer_init_url"),
    *("registration_time", "last_heartbeat_time"),
)


@router.get("/key-stats")
@operation(doing="get the key statistics")
def key_stats() -> dict[str, object]:
    """How many keys each instance holds."""
    registry = _registry()
    instances = [
        {
            "instance_id": instance_id,
            "key_count": sum(worker.get_kv_count() for worker in list(instance.workers.values())),
            "worker_count": len(instance.workers),
        }
        for instance_id, instance in list(registry.instances.items())
    ]
    return {
        "total_key_count": registry.get_total_kv_count(),
        "total_instance_count": len(instances),
        "total_worker_count": sum(instance["worker_count"] for instance in instances),
        "instances": instances,
    }


@router.get("/workers")
@operation(doing="list the workers")
def workers(instance_id: str | None = None, worker_id: int | None = None) -> dict[str, object]:
    """All registered workers, those of an instance, or one."""
    registry = _registry()
    if instance_id and worker_id is not None:
        worker = registry.get_worker(instance_id, worker_id)
        if worker is None:
            raise NotFound(f"Worker ({instance_id}, {worker_id}) not found", title="Unknown worker")
        return _worker(instance_id, worker)
    instances = dict(registry.instances)
    if instance_id and instance_id not in instances:
        raise NotFound(f"No workers found for instance {instance_id}", title="Unknown instance")
    chosen = {instance_id: instances[instance_id]} if instance_id else instances
    found = [_worker(name, worker) for name, instance in chosen.items() for worker in list(instance.workers.values())]
    return {"workers": found, "total_count": len(found)}


def _registry() -> Any:
    controller = getattr(internal_app().state, "lmcache_controller_manager", None)
    if controller is None:
        raise EngineUnavailable("Controller manager not available", title="Controller unavailable")
    return controller.reg_controller.registry


def _worker(instance_id: str, worker: Any) -> dict[str, object]:
    info = worker.to_worker_info(instance_id)
    return {name: getattr(info, name) for name in _FIELDS} | {"key_count": worker.get_kv_count()}
