"""The roles of callers: a route requires a role, and a token grants one."""

from __future__ import annotations

from enum import IntEnum


class Role(IntEnum):
    """Each role has the permissions of the roles below it.

    Attributes:
        PUBLIC: routes for load balancers and scrapers, without credentials.
        VIEWER: may read.
        OPERATOR: may make changes that a restart undoes.
        ADMIN: may do everything, including running code in the engine's process.
    """

    PUBLIC = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role:
        """Return the role of that name, in upper or lower case.

        Raises:
            ValueError: there is no such role; the message lists the roles.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            roles = ", ".join(role.name.lower() for role in cls)
            raise ValueError(f"expected one of {roles}, got {name!r}") from None

    def __str__(self) -> str:
        return self.name.lower()
