"""What the rest of the stack may ask of a Kubernetes cluster, whoever provides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Report = Callable[[str], None]
    """Called with a line of words on what is being done."""


class ClusterError(Exception):
    """A cluster that cannot be started or used; the message says why and what to do."""


class Cluster(Protocol):
    """A Kubernetes cluster on this machine."""

    @property
    def name(self) -> str:
        """Words for the screen, such as "a Kubernetes node of its own, in network namespace recall-recall"."""

    @property
    def kubeconfig(self) -> Path:
        """File by which kubectl and the operator's installation reach it as administrator."""

    @property
    def node_address(self) -> str:
        """Address at which pods and the host reach what runs beside the node: the emulated AWS, DNS."""

    @property
    def host_address(self) -> str:
        """Address at which pods reach what runs on the host itself: the models, which may ask a server there."""

    @property
    def enter_namespace(self) -> bool:
        """Whether processes that pods must reach are started inside the stack's network namespace."""

    @property
    def tools(self) -> Path | None:
        """Folder with `kubectl` and `helm`; None when those on PATH are meant."""

    @property
    def audit_log(self) -> Path | None:
        """The API server's audit log (one JSON event a line, level Metadata); None when it keeps none here."""

    def up(self, report: Report) -> None:
        """Start it, or find it running, and return when its node takes pods.

        Raises:
            ClusterError, ProcessError: it does not start; the message says why and where its log is.
        """

    def down(self) -> None:
        """Stop it, keeping its objects for the next `up`; nothing else of it stays."""

    def erase(self) -> None:
        """Delete what `down` kept of it outside of the stack's own folder, which goes by itself."""

    def load_image(self, archive: Path, reference: str) -> None:
        """Make the image `reference`, in the docker-archive file `archive`, known to the node."""

    def configure_dns(self, zone_id: str, route53_endpoint: str) -> None:
        """Answer questions for `recall.localhost` from the hosted zone `zone_id` of the Route 53 at that endpoint."""
