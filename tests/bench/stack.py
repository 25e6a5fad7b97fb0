"""Seconds of `up` and `down` with everything cached, memory of each part, sizes of the images: build/bench/stack.json.

Memory is the proportional set size (PSS) of every process of the stack, so that pages that several
processes share are counted once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from recall_local import images, processes
from recall_local.stack import Stack

NAME = "bench"
OUTPUT = Path("build/bench/stack.json")


def recall_local(*arguments: str) -> float:
    """Run one command of the stack and return its seconds."""
    began = time.monotonic()
    environment = {**os.environ, "RECALL_STACK": NAME}
    subprocess.run([sys.executable, "-m", "recall_local.cli", *arguments], check=True, env=environment)
    return round(time.monotonic() - began, 1)


def part_of(process: Path) -> str:
    """Return the part that a process belongs to, in words for the table."""
    words = (process / "cmdline").read_bytes().split(b"\0")
    program = Path(words[0].decode(errors="replace")).name
    modules = [words[index + 1].decode() for index, word in enumerate(words[:-1]) if word == b"-m"]
    return modules[0] if modules else program


def memory_megabytes(stack: Stack) -> dict[str, float]:
    """Return megabytes of PSS by part, of all processes whose network namespace or state folder is the stack's."""
    namespace = stack.namespace_path.stat()
    recorded = {processes.pid_of(stack, name) for name in processes.names(stack)}
    sizes: Counter[str] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            seen = (process / "ns/net").stat()
            inside = (seen.st_dev, seen.st_ino) == (namespace.st_dev, namespace.st_ino)
            in_pod = stack.namespace in (process / "cgroup").read_text()
            if inside or in_pod or int(process.name) in recorded:
                lines = (process / "smaps_rollup").read_text().splitlines()
                kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
                sizes[part_of(process)] += kilobytes
    return {part: round(kilobytes / 1024, 1) for part, kilobytes in sizes.most_common()}


def main() -> None:
    """Measure and write the figures."""
    recall_local("up")  # whatever is not cached yet is made here, outside the figures
    figures: dict[str, object] = {"down_s": recall_local("down"), "up_warm_s": recall_local("up")}
    stack = Stack.open(NAME)
    figures["up_running_s"] = recall_local("up")
    parts = memory_megabytes(stack)
    figures["memory_mb"] = {"all": round(sum(parts.values()), 1), **parts}
    built = images.build(stack.cache, print)
    figures["image_archive_mb"] = {name: round(image.archive.stat().st_size / 1e6, 1) for name, image in built.items()}
    recall_local("down", "--erase")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(figures, indent=2) + "\n")
    print(OUTPUT.read_text())


if __name__ == "__main__":
    main()
