"""Which cluster a stack gets: the one that was named, else kind where Docker answers, else one of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from recall_local.cluster.existing import Existing
from recall_local.cluster.kind import Kind
from recall_local.cluster.machine import Machine
from recall_local.docker import docker_answers

if TYPE_CHECKING:
    from recall_local.cluster.base import Cluster
    from recall_local.stack import Stack

CONTEXT_VARIABLE: Final = "RECALL_KUBE_CONTEXT"


def choose(stack: Stack) -> Cluster:
    """Return the cluster for `stack`; its `name` says which it is."""
    if context := os.environ.get(CONTEXT_VARIABLE):
        return Existing(stack, context)
    return Kind(stack) if docker_answers() else Machine(stack)
