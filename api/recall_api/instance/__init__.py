"""What all pods of one instance share."""

from recall_api.instance.service import InstanceKeys

__all__ = ["InstanceKeys"]
