"""`recall-local`: the stack's commands, which the Makefile's targets call."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from recall_local import lifecycle
from recall_local.cluster.base import ClusterError
from recall_local.processes import ProcessError
from recall_local.stack import Stack, StackBusyError, StackError
from recall_local.steps import StepFailedError, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
environment:
  RECALL_STACK         name of the stack (default: recall); each has its own state, addresses and port
  RECALL_PORT          port on 127.0.0.1 that people open (default: 8080, or a free one)
  RECALL_KUBE_CONTEXT  use this existing kubeconfig context instead of a cluster of the stack's own
  RECALL_MODEL_SERVER  base address of an OpenAI-compatible server that answers chats instead of the built-in model
                       (with RECALL_MODEL_NAME and RECALL_MODEL_KEY)
  XDG_STATE_HOME       where memories, instances and logs are kept (default: ~/.local/state)
  XDG_CACHE_HOME       where programs and images are kept (default: ~/.cache)

exit codes: 0 done; 1 a step failed (the screen says which, why, and what to do); 2 bad usage
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    root = argparse.ArgumentParser(
        prog="recall-local",
        description="A whole Recall on this machine: Kubernetes, an emulated AWS, the operator, an instance.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start the stack, or bring a running one up to date; safe to repeat")
    up.add_argument(
        "--resync-seconds",
        type=int,
        metavar="S",
        help="how often the operator looks at every instance (default: 600)",
    )
    down = commands.add_parser("down", help="stop the stack; memories and instances are kept")
    down.add_argument("--erase", action="store_true", help="also delete everything the stack keeps, memories included")
    commands.add_parser("status", help="show what runs, and the instances' conditions")
    commands.add_parser("web", help="build the web app from frontend/ and publish it in the running stack")
    commands.add_parser("demo", help="take a tour that checks itself")
    logs = commands.add_parser("logs", help="show the last lines of the stack's logs")
    logs.add_argument("name", nargs="?", help="only this log, such as operator or edge")
    logs.add_argument("--follow", action="store_true", help="go on as lines come (needs NAME)")
    logs.add_argument("--lines", type=int, default=20, metavar="N", help="how many lines of each (default: 20)")
    commands.add_parser("kubectl", help="run kubectl on the stack's cluster; all that follows is kubectl's")
    return root


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    grammar = parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    kubectl_words = words[1:] if words[:1] == ["kubectl"] else []  # flags among them are kubectl's, not ours
    options = grammar.parse_args(words[: len(words) - len(kubectl_words)])
    if options.command == "logs" and options.follow and not options.name:
        grammar.error("logs --follow needs the NAME of one log; `recall-local logs` shows them all")
    if options.command == "up" and options.resync_seconds is not None and options.resync_seconds < 1:
        grammar.error(f"--resync-seconds {options.resync_seconds} is not a time; use 1 or more")
    try:
        stack = Stack.open(os.environ.get("RECALL_STACK", "recall"))
        match options.command:
            case "up":
                with stack.changing():
                    lifecycle.up(stack, resync_seconds=options.resync_seconds)
            case "web":
                with stack.changing():
                    lifecycle.publish_web_app(stack)
            case "down":
                with stack.changing():
                    lifecycle.down(stack, erase=options.erase)
            case "status":
                return lifecycle.status(stack)
            case "demo":
                lifecycle.demo(stack)
            case "logs":
                lifecycle.logs(stack, name=options.name, lines=options.lines, follow=options.follow)
            case "kubectl":
                command = lifecycle.kubectl_of(stack).command(*kubectl_words)
                os.execv(command[0], command)  # noqa: S606 - the very point: the user's own kubectl words
    except StepFailedError:
        return 1
    except StackError as error:
        print(f"recall-local: {error}", file=sys.stderr)
        return 2
    except StackBusyError as error:
        print(f"recall-local: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return _pipe_closed()
    except subprocess.SubprocessError as error:
        if isinstance(error, subprocess.CalledProcessError) and error.returncode == -signal.SIGPIPE:
            return _pipe_closed()
        print(f"recall-local: {explain(error)}; is the stack up? (make up)", file=sys.stderr)
        return 1
    except (ClusterError, ProcessError, OSError) as error:
        print(f"recall-local: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrecall-local: interrupted; `make up` goes on from here, `make down` cleans up", file=sys.stderr)
        return 130
    return 0


def _pipe_closed() -> int:
    """Return what shells call a program that wrote to a reader which had seen enough; nothing is wrong."""
    # What is still buffered goes nowhere, or Python complains at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


if __name__ == "__main__":
    main()
