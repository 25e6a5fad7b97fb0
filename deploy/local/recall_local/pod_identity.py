"""EKS Pod Identity on one machine: the admission webhook and the node's agent.

As on EKS, a pod learns at its creation whether its service account has a role: the webhook then adds a projected token
and the address of the agent. A pod that is older than its association gets no credentials until it is made anew. The
agent changes the pod's token for keys of the role.
Source: EKS user guide, "How EKS Pod Identity works".
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import logging
import ssl
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from recall_local import webhook_certificate
from recall_local.aws.account import REGION, client_factory
from recall_local.aws.emulator import ACCOUNT_ID
from recall_local.cluster_api import Access, ClusterApi
from recall_local.serving import start, stop_signal

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("recall.pod-identity")

AGENT_HOST: Final = "169.254.170.23"
AGENT_PORT: Final = 80
CREDENTIALS_PATH: Final = "/v1/credentials"
WEBHOOK_HOST: Final = "127.0.0.1"
WEBHOOK_PORT: Final = 9443
AUDIENCE: Final = "pods.eks.amazonaws.com"

_TOKEN_SECONDS: Final = 86_400
_SESSION_SECONDS: Final = 3600
_VOLUME: Final = "eks-pod-identity-token"
_MOUNT: Final = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_SERVICE_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
_LONGEST_SESSION_NAME: Final = 64  # STS: RoleSessionName


def command(*, kubeconfig: Path, aws_endpoint: str, cluster: str, state_folder: Path) -> list[str]:
    """Return the command that runs agent and webhook.

    Args:
        kubeconfig: an administrator's.
        aws_endpoint: address of the emulated AWS.
        cluster: name under which EKS knows the cluster.
        state_folder: where the webhook's certificate is kept.
    """
    return [
        sys.executable, "-m", "recall_local.pod_identity", "--kubeconfig", str(kubeconfig),
        "--aws-endpoint", aws_endpoint, "--cluster", cluster, "--state-folder", str(state_folder),
    ]  # fmt: skip


def webhook_configuration(state_folder: Path, host: str = WEBHOOK_HOST, port: int = WEBHOOK_PORT) -> dict[str, Any]:
    """Return the manifest that sends new pods to the webhook; makes its certificate when there is none yet.

    It fails closed: while the webhook is away, a controller tries again, whereas a pod without its credentials would
    stay broken. The cluster's own namespaces do not depend on it.
    """
    certificate = webhook_certificate.ensure(state_folder, host)
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "recall-pod-identity"},
        "webhooks": [
            {
                "name": "pod-identity.recall.kug.la",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {
                    "url": f"https://{host}:{port}/mutate",
                    "caBundle": base64.b64encode(webhook_certificate.public_part(certificate)).decode(),
                },
                "failurePolicy": "Fail",
                "namespaceSelector": {
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "NotIn",
                            "values": ["kube-system", "kube-public", "kube-node-lease"],
                        }
                    ]
                },
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }
        ],
    }


def environment(region: str) -> dict[str, str]:
    """Return what the webhook sets in every container of a pod that has a role."""
    return {
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{AGENT_HOST}{CREDENTIALS_PATH}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{_MOUNT}/{_VOLUME}",
    }


def patch(pod: Mapping[str, Any], region: str) -> list[dict[str, Any]]:
    """Return the JSON patch (RFC 6902) that gives `pod` the token and the agent's address; what it set itself stays."""
    spec = pod["spec"]
    token = {"audience": AUDIENCE, "expirationSeconds": _TOKEN_SECONDS, "path": _VOLUME}
    volume = {"name": _VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}
    changes = []
    if not any(found["name"] == _VOLUME for found in spec.get("volumes") or ()):
        changes.append(_append("/spec/volumes", spec.get("volumes"), [volume]))
    for kind in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(kind) or ()):
            at = f"/spec/{kind}/{place}"
            set_already = {variable["name"] for variable in container.get("env") or ()}
            variables = [
                {"name": name, "value": value} for name, value in environment(region).items() if name not in set_already
            ]
            if variables:
                changes.append(_append(f"{at}/env", container.get("env"), variables))
            if not any(found["mountPath"] == _MOUNT for found in container.get("volumeMounts") or ()):
                mount = {"name": _VOLUME, "mountPath": _MOUNT, "readOnly": True}
                changes.append(_append(f"{at}/volumeMounts", container.get("volumeMounts"), [mount]))
    return changes


def _append(path: str, present: list[Any] | None, added: list[Any]) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": [*(present or ()), *added]}


@dataclass(frozen=True)
class Caller:
    """The pod that a token belongs to."""

    namespace: str
    service_account: str
    pod: str
    pod_uid: str


class CredentialError(Exception):
    """An answer of the agent other than keys; named as the EKS Auth API names its errors."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status


def caller(review: Mapping[str, Any]) -> Caller:
    """Return whose token a TokenReview was about.

    Raises:
        CredentialError: the token is not valid for pod identities, or not a service account's.
    """
    status = review["status"]
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", ()):
        reason = status.get("error") or f"it is not valid for the audience {AUDIENCE}"
        raise CredentialError(400, "InvalidTokenException", f"the service account token is refused: {reason}")
    user = status["user"]
    if not user["username"].startswith(_SERVICE_ACCOUNT_PREFIX):
        raise CredentialError(400, "InvalidTokenException", f"{user['username']} is no service account")
    namespace, _, name = user["username"].removeprefix(_SERVICE_ACCOUNT_PREFIX).partition(":")
    extra = {key: values[0] for key, values in (user.get("extra") or {}).items() if values}
    return Caller(
        namespace=namespace,
        service_account=name,
        pod=extra.get("authentication.kubernetes.io/pod-name", ""),
        pod_uid=extra.get("authentication.kubernetes.io/pod-uid", ""),
    )


def session_tags(cluster: str, asking: Caller) -> list[dict[str, str]]:
    """Return the tags of a pod's session. Source: EKS user guide, "Pod Identity session tags"."""
    tags = {
        "eks-cluster-arn": f"arn:aws:eks:{REGION}:{ACCOUNT_ID}:cluster/{cluster}",
        "eks-cluster-name": cluster,
        "kubernetes-namespace": asking.namespace,
        "kubernetes-service-account": asking.service_account,
        "kubernetes-pod-name": asking.pod,
        "kubernetes-pod-uid": asking.pod_uid,
    }
    return [{"Key": key, "Value": value} for key, value in tags.items() if value]


class Aws:
    """EKS and STS of the emulated AWS; calls block, so they run on threads."""

    def __init__(self, endpoint: str, cluster: str) -> None:
        make = client_factory(endpoint)
        self._eks, self._sts = make("eks"), make("sts")
        self._cluster = cluster

    async def role_of(self, namespace: str, service_account: str) -> str | None:
        """Return the ARN of the role associated with a service account now, or None."""
        return await asyncio.to_thread(self._role_of, namespace, service_account)

    def _role_of(self, namespace: str, service_account: str) -> str | None:
        found = self._eks.list_pod_identity_associations(
            clusterName=self._cluster, namespace=namespace, serviceAccount=service_account
        )["associations"]
        if not found:
            return None
        association = self._eks.describe_pod_identity_association(
            clusterName=self._cluster, associationId=found[0]["associationId"]
        )["association"]
        return str(association["roleArn"])

    async def credentials(self, role: str, asking: Caller) -> dict[str, str]:
        """Return keys of `role` in the form that AWS SDKs expect of a container's credentials provider."""
        name = f"eks-{self._cluster}-{asking.pod or asking.service_account}"[: _LONGEST_SESSION_NAME - 9]
        keys = (
            await asyncio.to_thread(
                self._sts.assume_role,
                RoleArn=role,
                RoleSessionName=f"{name}-{uuid.uuid4().hex[:8]}",
                DurationSeconds=_SESSION_SECONDS,
                Tags=session_tags(self._cluster, asking),
            )
        )["Credentials"]
        return {
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "Token": keys["SessionToken"],
            "AccountId": ACCOUNT_ID,
            "Expiration": keys["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class PodIdentity:
    """The handlers of agent and webhook."""

    def __init__(self, aws: Aws, api: ClusterApi) -> None:
        self._aws = aws
        self._api = api

    def agent(self) -> web.Application:
        """Return what pods talk to."""
        application = web.Application()
        application.add_routes([web.get(CREDENTIALS_PATH, self._credentials)])
        return application

    def webhook(self) -> web.Application:
        """Return what the API server talks to."""
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.add_routes([web.post("/mutate", self._mutate)])
        return application

    async def _credentials(self, request: web.Request) -> web.Response:
        try:
            keys = await self._keys(request.headers.get("authorization", ""))
        except CredentialError as error:
            logger.warning("credentials refused: %s", error)
            return web.Response(status=error.status, text=str(error))
        except ClientError as error:
            logger.warning("credentials refused by AWS: %s", error)
            return web.Response(status=403, text=f"AccessDeniedException: {error}")
        except (BotoCoreError, aiohttp.ClientError, TimeoutError) as error:
            logger.exception("credentials")
            return web.Response(status=503, text=f"ServiceUnavailableException: {error}; ask again")
        return web.json_response(keys, headers={"cache-control": "no-store"})

    async def _keys(self, token: str) -> dict[str, str]:
        asking = await self._authenticate(token)
        role = await self._aws.role_of(asking.namespace, asking.service_account)
        if role is None:
            raise CredentialError(
                404,
                "ResourceNotFoundException",
                f"service account {asking.namespace}/{asking.service_account} has no Pod Identity association; "
                "create one, then ask again",
            )
        keys = await self._aws.credentials(role, asking)
        logger.info("%s/%s (pod %s) took keys of %s", asking.namespace, asking.service_account, asking.pod, role)
        return keys

    async def _authenticate(self, token: str) -> Caller:
        if not token:
            raise CredentialError(400, "InvalidTokenException", "the request has no Authorization header")
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        return caller(await self._api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review))

    async def _mutate(self, request: web.Request) -> web.Response:
        review = (await request.json())["request"]
        pod = review["object"]
        service_account = pod["spec"].get("serviceAccountName") or "default"
        try:
            role = await self._aws.role_of(review["namespace"], service_account)
        except (ClientError, BotoCoreError) as error:
            logger.exception("looking for the association of %s/%s", review["namespace"], service_account)
            return web.Response(status=503, text=f"EKS does not answer: {error}")
        answer: dict[str, Any] = {"uid": review["uid"], "allowed": True}
        if role is not None:
            changes = json.dumps(patch(pod, REGION)).encode()
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(changes).decode()}
            logger.info("a pod of %s/%s will use %s", review["namespace"], service_account, role)
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})


async def serve(arguments: argparse.Namespace) -> None:
    """Run until SIGTERM or SIGINT."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(webhook_certificate.ensure(arguments.state_folder, arguments.webhook_host))
    api = ClusterApi(Access.from_kubeconfig(arguments.kubeconfig))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(api.close)
        identity = PodIdentity(Aws(arguments.aws_endpoint, arguments.cluster), api)
        agent = await start(identity.agent(), arguments.agent_host, arguments.agent_port)
        stack.push_async_callback(agent.cleanup)
        webhook = await start(identity.webhook(), arguments.webhook_host, arguments.webhook_port, tls=tls)
        stack.push_async_callback(webhook.cleanup)
        logger.info("agent on %s:%s", arguments.agent_host, arguments.agent_port)
        logger.info("webhook on %s:%s", arguments.webhook_host, arguments.webhook_port)
        await stop_signal()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="EKS Pod Identity on one machine: agent and webhook.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--aws-endpoint", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--state-folder", type=Path, required=True)
    parser.add_argument("--agent-host", default=AGENT_HOST)
    parser.add_argument("--agent-port", type=int, default=AGENT_PORT)
    parser.add_argument("--webhook-host", default=WEBHOOK_HOST)
    parser.add_argument("--webhook-port", type=int, default=WEBHOOK_PORT)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
