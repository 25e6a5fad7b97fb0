"""The stack's network namespace: where its node, its pods and its emulators live, joined to the host by a veth pair.

Deleting the namespace takes the bridge, the pods' addresses and kube-proxy's chains with it.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from recall_local.cluster.base import ClusterError
from recall_local.cluster.configuration import POD_BRIDGE, POD_RANGE

if TYPE_CHECKING:
    from recall_local.stack import Stack

POD_IDENTITY_ADDRESS: Final = "169.254.170.23"
"""Address at which EKS's Pod Identity agent answers pods (EKS user guide, "How EKS Pod Identity works")."""

FROM_PODS: Final = ("iif", POD_BRIDGE)


def ensure(stack: Stack) -> None:
    """Make the namespace and its link, unless they are there and whole.

    Raises:
        ClusterError: another interface of this machine has the stack's address already.
    """
    if _whole(stack):
        return
    remove(stack)
    for link in json.loads(_ip("-json", "address")):
        if any(address["local"] == stack.host_address for address in link.get("addr_info", [])):
            raise ClusterError(
                f"interface {link['ifname']} has {stack.host_address}, the address of stack {stack.name}: stop what "
                f"uses it, or delete {stack.state} (its memories with it) so that the stack gets another address"
            )
    stack.namespace_path.parent.mkdir(exist_ok=True)
    stack.namespace_path.touch()
    # Not `ip netns add`: that one leaves a mount of /run/netns on itself behind.
    subprocess.run(["unshare", f"--net={stack.namespace_path}", "true"], check=True, capture_output=True)
    inside = ("-netns", stack.namespace)
    _ip("link", "add", stack.interface, "type", "veth", "peer", "name", "eth0", "netns", stack.namespace)
    _ip("address", "add", f"{stack.host_address}/30", "dev", stack.interface)
    _ip("link", "set", stack.interface, "up")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "address", "add", f"{POD_IDENTITY_ADDRESS}/32", "dev", "lo")
    _ip(*inside, "address", "add", f"{stack.node_address}/30", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    # For processes of the node: a service's address needs some route before kube-proxy's rules rewrite it.
    _ip(*inside, "route", "add", "default", "via", stack.host_address)
    # Pods reach each other and both ends of the link. All else is refused at once, as a service whose rules are not
    # written yet: without an answer, a connection would try again for two minutes, past those rules.
    for preference, reachable in enumerate((f"{stack.host_address}/30", POD_RANGE), start=100):
        _ip(*inside, "rule", "add", "preference", str(preference), *FROM_PODS, "to", reachable, "lookup", "main")
    _ip(*inside, "rule", "add", "preference", "110", *FROM_PODS, "unreachable")
    forward = ["nsenter", f"--net={stack.namespace_path}", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
    subprocess.run(forward, check=True, capture_output=True)


def remove(stack: Stack) -> None:
    """Delete the namespace and the link, whatever is left of them."""
    if stack.namespace_path.exists():
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", stack.namespace)
        stack.namespace_path.unlink(missing_ok=True)  # a file that a killed run made, but never mounted on
    with suppress(subprocess.CalledProcessError):
        _ip("link", "delete", stack.interface)


def attach(stack: Stack, pid: int) -> None:
    """Let the stack's namespace be the one that process `pid` (a node in a container) lives in."""
    remove(stack)
    _ip("netns", "attach", stack.namespace, str(pid))


def _whole(stack: Stack) -> bool:
    try:
        _ip("link", "show", stack.interface, "up")
        shown = _ip("-netns", stack.namespace, "-json", "address", "show", "up")
    except subprocess.CalledProcessError:
        return False
    addresses = {address["local"] for link in json.loads(shown) for address in link.get("addr_info", [])}
    return {stack.node_address, POD_IDENTITY_ADDRESS} <= addresses


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
