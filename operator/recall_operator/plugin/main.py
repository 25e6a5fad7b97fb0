"""`kubectl recall`: reads the command line, carries the command out, and says how it went by its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from recall_operator.annotations import PAUSED
from recall_operator.aws.client import Aws
from recall_operator.errors import ApiServerError
from recall_operator.models.backup import BACKUP_KIND, RecallBackup
from recall_operator.models.instance import RecallInstance
from recall_operator.plugin import backups, bundle, cost, planning
from recall_operator.plugin.arguments import parse
from recall_operator.plugin.changes import annotate, request_reconcile, set_hibernation
from recall_operator.plugin.cluster import Cluster, CommandError
from recall_operator.plugin.orphans import BACKUP, marked, orphans
from recall_operator.plugin.tree import tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from recall_operator.platform import Platform


_INTERRUPTED: Final = 130
_PIPE_CLOSED: Final = 141
"""Exit statuses as shells give them for SIGINT and SIGPIPE."""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str)


class Commands:
    """The commands; each returns the process' exit status."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._cluster = Cluster(options.kubeconfig, options.context)
        self._namespace: str = options.namespace or self._cluster.namespace
        self._scope: str | None = None if getattr(options, "all_namespaces", False) else self._namespace
        """Where lists look; None means in all namespaces."""

    def run(self) -> int:
        """Carry out the command that was asked for."""
        command = getattr(self, f"_{self._options.command.replace('-', '_')}")
        return int(command())

    def _platform(self) -> Platform:
        platform = self._cluster.platform(self._options.operator_namespace)
        for name, value in platform.aws.endpoint_urls.items():
            os.environ.setdefault(name, value)  # the user's own variables win
        return platform

    def _plan(self) -> int:
        options = self._options
        if options.remote:
            name = f"{self._namespace}/{options.name}"
            found = planning.remote_plan(self._cluster, self._namespace, options.name, options.timeout)
            _say(_json({"instance": name, **found}) if options.output == "json" else planning.remote_text(name, found))
            return planning.FAILED if found.get("problems") else planning.CHANGES if found["total"] else 0
        platform = self._platform()
        plans = asyncio.run(self._plans(platform))
        _say(_json([x.document() for x in plans]) if options.output == "json" else "\n".join(x.text() for x in plans))
        codes = {plan.exit_code for plan in plans}
        return planning.FAILED if planning.FAILED in codes else max(codes)

    async def _plans(self, platform: Platform) -> list[planning.Plan]:
        aws = Aws(platform.aws.region, elsewhere=platform.aws.elsewhere)
        try:
            if self._options.filename:
                manifests = planning.read_manifests(self._options.filename, self._namespace)
                return [await planning.plan_manifest(item, self._cluster, platform, aws) for item in manifests]
            live = self._cluster.instance(self._namespace, self._options.name)
            return [await planning.plan_stored(live, self._cluster, platform, aws)]
        finally:
            aws.close()

    def _status(self) -> int:
        name = self._options.name
        found = [self._cluster.instance(self._namespace, name)] if name else self._cluster.instances(self._scope)
        _say(_json(found) if self._options.output == "json" else "\n\n".join(map(tree, found)) or "No instances.")
        return 0

    def _hibernate(self) -> int:
        mode = "Scheduled" if self._options.scheduled else "Asleep"
        _say(set_hibernation(self._cluster, self._namespace, self._options.name, mode))
        return 0

    def _wake(self) -> int:
        _say(set_hibernation(self._cluster, self._namespace, self._options.name, "Awake"))
        return 0

    def _pause(self) -> int:
        annotate(self._cluster, self._namespace, self._options.name, PAUSED, "true")
        _say(f"{self._options.name} is paused: the operator changes nothing until `kubectl recall resume`.")
        return 0

    def _resume(self) -> int:
        annotate(self._cluster, self._namespace, self._options.name, PAUSED, None)
        _say(f"{self._options.name} goes on.")
        return 0

    def _reconcile(self) -> int:
        options = self._options
        found = request_reconcile(self._cluster, self._namespace, options.name, options.timeout)
        _say(tree(found))
        return 0

    def _backup(self) -> int:
        options = self._options
        made = backups.ask(self._cluster, self._namespace, options.name, options.table, options.deletion_policy)
        name = made["metadata"]["name"]
        if options.wait:
            made = backups.wait(self._cluster, self._namespace, name, options.timeout)
        if options.output == "name":
            _say(backups.reference(name))
        elif options.output == "json":
            _say(_json(made))
        elif options.wait:
            _say(backups.text([RecallBackup.model_validate(made)]))
        else:
            _say(f"{name} is asked for; it is ready within minutes: kubectl recall backups {options.name}")
        return 0

    def _backups(self) -> int:
        found = backups.backups(self._cluster, self._scope, self._options.name)
        _say(_json(backups.document(found)) if self._options.output == "json" else backups.text(found))
        return 0

    def _orphans(self) -> int:
        platform = self._platform()
        session = boto3.session.Session(region_name=platform.aws.region)
        # AWS first: an instance made between the two reads is then alive, and its resources no orphans.
        found, unread = asyncio.run(marked(session, platform))
        owners = [*self._cluster.instances(), *self._cluster.backups()]
        living = {item["metadata"]["uid"] for item in owners}
        lost = orphans(found, platform.cluster.name, living)
        if self._options.output == "json":
            rows = [
                {
                    "kind": x.kind,
                    "name": x.name,
                    "namespace": x.owner.namespace,
                    "instance": x.owner.name,
                    "uid": x.owner.uid,
                    "released": x.released,
                }
                for x in lost
            ]
            _say(_json({"orphans": rows, "unread": unread}))
        else:
            for item in lost:
                gone = f"its {BACKUP_KIND if item.kind == BACKUP else 'instance'} is gone"
                why = f"left behind on purpose at {item.released}" if item.released else gone
                _say(f"{item.kind} {item.name}  ({item.owner.namespace}/{item.owner.name}, {why})")
            _say("\n".join(f"! {text}" for text in unread) or f"{len(lost)} orphans. Nothing was deleted.")
        return 1 if unread else 0

    def _cost(self) -> int:
        options = self._options
        instance = RecallInstance.model_validate(self._cluster.instance(self._namespace, options.name))
        table = cost.load_prices(options.prices)
        kept = backups.known_bytes(backups.backups(self._cluster, self._namespace, options.name)) / cost.GIB
        usage = cost.Usage(options.data_gib, options.reads_million, options.writes_million, kept)
        found = cost.document(instance.key, cost.monthly(instance.spec, usage, table), table, datetime.now(UTC).date())
        _say(_json(found) if options.output == "json" else cost.text(found))
        return 0

    def _support_bundle(self) -> int:
        options = self._options
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path: Path = options.file or Path(f"recall-{options.name}-{stamp}.tar.gz")
        live = self._cluster.instance(self._namespace, options.name)
        try:
            platform = self._platform()
            aws = Aws(platform.aws.region, elsewhere=platform.aws.elsewhere)
            plan = asyncio.run(planning.plan_stored(live, self._cluster, platform, aws)).text()
        except (CommandError, ApiServerError, BotoCoreError, ClientError) as error:
            plan = f"no plan: {error}"
        files = bundle.collect(self._cluster, self._namespace, options.name, options.operator_namespace, plan)
        bundle.write(files, path)
        _say(f"{path}: {len(files)} files. Look through them before you hand them on.")
        return 0


def main(words: Sequence[str] | None = None) -> int:
    """Carry out one command; return the process' exit status: 0, 1 for an error, 2 for a plan with changes."""
    options = parse(words)
    try:
        return Commands(options).run()
    except KeyboardInterrupt:
        sys.stderr.write(f"\nkubectl recall {options.command}: interrupted; what was asked for before goes on.\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough. What is still buffered goes nowhere, or Python complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except ValidationError as error:
        sys.stderr.write(
            f"kubectl recall {options.command}: what is stored can't be read: {error}\n"
            "Use the kubectl recall of the release whose custom resource definitions the cluster has.\n"
        )
        return 1
    except (CommandError, ApiServerError, BotoCoreError, ClientError, OSError) as error:
        sys.stderr.write(f"kubectl recall {options.command}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
