"""The plugin's command line, with help that teaches."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from recall_operator.models.backup import TableRole
from recall_operator.models.spec import DeletionPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """
examples:
  kubectl recall plan -f beta.yaml           what applying the file would change; exit status 2 when something would
  kubectl recall plan beta --remote          the operator's own plan, made with its rights instead of yours
  kubectl recall status                      every instance of the namespace as a tree of its parts; -A: of all
  kubectl recall hibernate beta              stop its pods; data, sign-in and names stay
  kubectl recall backup beta --wait          back both tables up by a RecallBackup, and say when that is done
  kubectl recall backups beta                its backups, with sizes and ARNs
  kubectl recall reconcile beta              look at it now, and wait until that is done
  kubectl recall orphans                     what is left on AWS of instances that are gone

Kubernetes is reached as kubectl reaches it. `plan`, `orphans` and `support-bundle` read AWS with your own credentials
(boto3's: environment, profile, SSO); they never write. AWS's addresses are those of the operator's platform document,
unless AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_<SERVICE> say otherwise.
"""


_BACKUP_EPILOG = """
examples:
  kubectl recall backup beta --wait                    before something risky
  kubectl recall backup beta -o name                   for a script: recallbackup.recall.kug.la/beta-20260501-120000
  kubectl recall backup beta --deletion-policy Delete  gone from AWS with `kubectl delete recallbackup`

The backup is full and made by DynamoDB, within minutes; the instance goes on meanwhile. To restore it, name the
RecallBackup in spec.tables.*.restoreFrom.backup of a new instance (docs/how-to/back-up-and-restore.md).
"""


class _Parser(argparse.ArgumentParser):
    """Ends with status 1 for a wrong command line: argparse's 2 would mean that a plan has changes."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments; ends the process when they make no sense, as argparse does."""
    common = _Parser(add_help=False)
    common.add_argument("-n", "--namespace", help="namespace of the instance (default: the context's)")
    common.add_argument("--context", help="context of the kubeconfig (default: the current one)")
    common.add_argument("--kubeconfig", type=Path, help="kubeconfig to use (default: KUBECONFIG, then ~/.kube/config)")
    common.add_argument(
        "--operator-namespace", default="recall-system", help="where the operator runs (default: %(default)s)"
    )
    parser = _Parser(
        prog="kubectl recall",
        description="Plan, watch and steer RecallInstances.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, *, instance: bool = True, output: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=summary, description=summary[0].upper() + summary[1:])
        if instance:
            added.add_argument("name", help="name of the instance")
        if output:
            added.add_argument("-o", "--output", choices=["text", "json"], default="text", help="default: %(default)s")
        return added

    plan = command("plan", "show what would change, field by field; change nothing", instance=False, output=True)
    plan.add_argument("name", nargs="?", help="name of a stored instance")
    plan.add_argument("-f", "--filename", type=Path, help="a manifest that was not applied yet; - reads standard input")
    plan.add_argument(
        "--remote",
        action="store_true",
        help="let the operator plan by annotation recall.kug.la/dry-run; needs NAME and no AWS credentials",
    )
    _timeout(plan)
    status = command("status", "show instances as trees of their parts, with reasons", instance=False, output=True)
    status.add_argument("name", nargs="?", help="name of the instance (default: all of the namespace)")
    _all_namespaces(status)
    hibernate = command("hibernate", "stop an instance's pods; data, sign-in and names stay")
    hibernate.add_argument("--scheduled", action="store_true", help="sleep by spec.hibernation.windows from now on")
    command("wake", "start an instance's pods")
    command("pause", "let the operator leave an instance alone")
    command("resume", "let the operator look after an instance again")
    _timeout(command("reconcile", "ask for a pass over an instance now, and wait until it was made"))
    backup = command("backup", "back an instance's tables up now, by a RecallBackup with a name of its own")
    backup.epilog = _BACKUP_EPILOG
    backup.formatter_class = argparse.RawDescriptionHelpFormatter
    backup.add_argument(
        "--table",
        action="append",
        default=[],
        choices=[role.value for role in TableRole],
        help="back up this table only; may be given twice (default: both)",
    )
    backup.add_argument(
        "--deletion-policy",
        default=DeletionPolicy.RETAIN.value,
        choices=[policy.value for policy in DeletionPolicy],
        help="what becomes of the backups when the RecallBackup is deleted (default: %(default)s)",
    )
    backup.add_argument("--wait", action="store_true", help="wait until the backups can be restored")
    backup.add_argument("-o", "--output", choices=["text", "name", "json"], default="text", help="default: %(default)s")
    _timeout(backup, 600.0)
    backups = command("backups", "list RecallBackups with their sizes and ARNs", instance=False, output=True)
    backups.add_argument("name", nargs="?", help="name of the instance (default: all of the namespace)")
    _all_namespaces(backups)
    command(
        "orphans", "list what is left on AWS of instances that are gone; delete nothing", instance=False, output=True
    )
    cost = command("cost", "estimate what an instance costs a month, awake and hibernated", output=True)
    cost.add_argument("--data-gib", type=float, default=1.0, help="GiB in its tables (default: %(default)s)")
    cost.add_argument("--reads-million", type=float, default=1.0, help="million reads a month (default: %(default)s)")
    cost.add_argument("--writes-million", type=float, default=0.2, help="million writes a month (default: %(default)s)")
    cost.add_argument("--prices", type=Path, help="a table of prices of your own (default: the one of this release)")
    bundle = command("support-bundle", "write what a helper needs to know into an archive, without secrets")
    bundle.add_argument("--file", type=Path, help="the archive (default: recall-NAME-TIME.tar.gz)")
    options = parser.parse_args(words)
    if options.command == "plan":
        _check_plan(plan, options)
    if getattr(options, "all_namespaces", False) and (options.name or options.namespace):
        lister = {"status": status, "backups": backups}[options.command]
        lister.error("--all-namespaces lists all there is: leave NAME and --namespace out")
    return options


def _all_namespaces(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="list those of all namespaces")


def _timeout(parser: argparse.ArgumentParser, seconds: float = 60.0) -> None:
    parser.add_argument("--timeout", type=float, default=seconds, help="seconds to wait (default: %(default)s)")


def _check_plan(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if bool(options.name) == bool(options.filename):
        parser.error("give either the NAME of a stored instance or a manifest with -f FILE")
    if options.remote and options.filename:
        parser.error("--remote plans what is stored: give a NAME, not -f FILE")
