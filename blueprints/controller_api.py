"""LMCache controller: registered workers and their keys. Without a controller, the endpoints respond with 503."""

from typing import Any, TypedDict

from flask import Blueprint

from lmcache_internal.api import ApiError, EngineUnavailable, NotFound, carry_detail, cut, internal_app, operation

router = Blueprint("controller", __name__, url_prefix="/controller")
carry_detail(router, ApiError)


class Instance(TypedDict):
    """Number of keys and workers of an instance."""

    instance_id: str
    key_count: int
    worker_count: int


class KeyStats(TypedDict):
    """Number of keys, in total and per instance."""

    total_key_count: int
    total_instance_count: int
    total_worker_count: int
    instances: list[Instance]


class Worker(TypedDict):
    """A registered worker; times in seconds since the epoch."""

    instance_id: str
    worker_id: int
    ip: str
    port: int
    peer_init_url: str | None
    registration_time: float
    last_heartbeat_time: float
    key_count: int


class Workers(TypedDict):
    """The selected workers."""

    workers: list[Worker]
    total_count: int


@router.get("/key-stats")
@operation(action="get the key statistics")
def key_stats() -> KeyStats:
    """Show the number of keys per instance."""
    registry = _registry()
    instances: list[Instance] = [
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
@operation(action="list the workers", errors=(NotFound,))
def workers(instance_id: str | None = None, worker_id: int | None = None) -> Workers | Worker:
    """List registered workers: all, those of an instance, or one."""
    registry = _registry()
    if instance_id and worker_id is not None:
        worker = registry.get_worker(instance_id, worker_id)
        if worker is None:
            raise NotFound(f"Worker ({cut(instance_id)}, {worker_id}) not found", title="Unknown worker")
        return _worker(instance_id, worker)
    instances = dict(registry.instances)
    if instance_id and instance_id not in instances:
        raise NotFound(f"No workers found for instance {cut(instance_id)}", title="Unknown instance")
    chosen = {instance_id: instances[instance_id]} if instance_id else instances
    found = [_worker(name, worker) for name, instance in chosen.items() for worker in list(instance.workers.values())]
    return {"workers": found, "total_count": len(found)}


def _registry() -> Any:
    controller = getattr(internal_app().state, "lmcache_controller_manager", None)
    if controller is None:
        raise EngineUnavailable("Controller manager not available", title="Controller unavailable")
    return controller.reg_controller.registry


def _worker(instance_id: str, worker: Any) -> Worker:
    info = worker.to_worker_info(instance_id)
    return {
        "instance_id": info.instance_id,
        "worker_id": info.worker_id,
        "ip": info.ip,
        "port": info.port,
        "peer_init_url": info.peer_init_url,
        "registration_time": info.registration_time,
        "last_heartbeat_time": info.last_heartbeat_time,
        "key_count": worker.get_kv_count(),
    }
