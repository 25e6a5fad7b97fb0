"""Progress on the screen: one line a step, with its elapsed time, and a failure that says what to do."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Report(Protocol):
    """Called with a line of words on what a step is doing, or what it found."""

    def __call__(self, words: str, /) -> None: ...  # noqa: D102 - described by the class


class StepFailedError(Exception):
    """A step that could not be done; its message has been shown already."""


def explain(error: BaseException) -> str:
    """Return one line on `error` that a person can act on; for a program that failed, its last words."""
    if isinstance(error, subprocess.CalledProcessError):
        command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd))
        output = error.stderr or error.stdout or b""
        text = output.decode(errors="replace") if isinstance(output, bytes) else output
        lines = [line for line in text.strip().splitlines() if line.strip()][-3:]
        return f"`{command[:160]}` exited with {error.returncode}" + (": " + " / ".join(lines) if lines else "")
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


@dataclass
class Steps:
    """The steps of one command, shown as they go and kept for a table at the end.

    Lines are plain text when the output is no terminal, so that a log of them reads well.
    """

    console: Console = field(default_factory=lambda: Console(highlight=False))
    done: list[tuple[str, float, str]] = field(default_factory=list)
    """Title, seconds and last word of each finished step."""
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the first step began."""
        return time.monotonic() - self.began

    @contextmanager
    def step(self, title: str, *, log: Path | None = None, remedy: str = "") -> Iterator[Report]:
        """Show `title` while its block runs; the block may report a line at a time what it is doing.

        Raises:
            StepFailedError: the block raised; title, reason, log and remedy are on the screen by then.
        """
        started = time.monotonic()
        last = ""

        def report(words: str) -> None:
            nonlocal last
            last = words
            self.console.print(f"  [dim]{self._clock(started)}  {escape(title)}: {escape(words)}[/dim]", soft_wrap=True)

        self.console.print(f"  [dim]{self._clock(started)}[/dim]  {escape(title)} …", soft_wrap=True)
        try:
            yield report
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.console.print(
                f"[bold red]✗ {escape(title)}[/bold red] failed: {escape(explain(error))}", soft_wrap=True
            )
            if log is not None:
                self.console.print(f"  log:     {escape(str(log))}", soft_wrap=True)
            if remedy:
                self.console.print(f"  to do:   {escape(remedy)}", soft_wrap=True)
            raise StepFailedError(title) from error
        seconds = time.monotonic() - started
        self.done.append((title, seconds, last))
        self.console.print(f"[green]✓[/green] {seconds:6.1f} s  {escape(title)}", soft_wrap=True)

    def note(self, words: str) -> None:
        """Show a line of what goes on beside the step."""
        self.console.print(f"  [dim]{escape(words)}[/dim]", soft_wrap=True)

    def _clock(self, started: float) -> str:
        return f"{time.monotonic() - started:6.1f} s"

    def table(self, title: str) -> None:
        """Print what was done, seconds for each, and their sum."""
        table = Table(title=title, title_justify="left")
        table.add_column("step")
        table.add_column("seconds", justify="right")
        table.add_column("seen")
        for name, seconds, words in self.done:
            table.add_row(escape(name), f"{seconds:.1f}", escape(words))
        table.add_section()
        table.add_row("all", f"{self.seconds:.1f}", "")
        self.console.print(table)
