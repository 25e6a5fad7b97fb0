"""Saving the emulator's state while it runs, so that a kill costs seconds and never tears what was saved.

ministack saves only at a normal stop. Here a forked child writes everything, as Redis does: the child sees memory as
it was at the fork, so all services are saved as of the same moment while requests go on. It writes into a folder of
its own and renames that folder at the end; a folder with a snapshot's name is therefore complete. A kill at any
moment leaves the snapshot before.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger("recall.snapshots")

_UNFINISHED = ".unfinished"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_FIRST_INHERITED_DESCRIPTOR = 3


class SnapshotError(RuntimeError):
    """A snapshot could not be completed; the one before is untouched."""


def newest(folder: Path) -> Path | None:
    """Return the newest complete snapshot in `folder`, or None."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.isdecimal()) if folder.is_dir() else []
    return folder / names[-1] if names else None


def write(folder: Path, save: Callable[[Path], None]) -> Path:
    """Let `save` fill a new snapshot in `folder`, make it the newest, and remove the older ones.

    Raises:
        Exception: whatever `save` raises; then nothing has changed.
    """
    name = f"{time.time_ns():020d}"
    unfinished = folder / (name + _UNFINISHED)
    unfinished.mkdir(parents=True)
    try:
        save(unfinished)
        for file in unfinished.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        complete = unfinished.rename(folder / name)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    for entry in folder.iterdir():
        if entry.name.removesuffix(_UNFINISHED) < name:
            shutil.rmtree(entry, ignore_errors=True)
    return complete


def restore(folder: Path, into: Path) -> Path | None:
    """Put the files of the newest snapshot in `folder` into `into`, in place of the state files there."""
    snapshot = newest(folder)
    into.mkdir(parents=True, exist_ok=True)
    if snapshot is not None:
        for file in into.glob("*.json"):
            file.unlink()
        for file in snapshot.iterdir():
            shutil.copy2(file, into / file.name)
    return snapshot


class Snapshots:
    """Takes a snapshot on a timer when something changed."""

    def __init__(
        self, folder: Path, save: Callable[[Path], None], *, interval: float, time_limit: float = 60.0
    ) -> None:
        """Remember where and how to save.

        Args:
            folder: where snapshots go.
            save: fills a folder; runs in a forked child, so it must not need other threads.
            interval: seconds between looks for changes.
            time_limit: seconds after which a child is given up (a lock held by another thread at the fork stays
                locked in the child for ever).
        """
        self._folder = folder
        self._save = save
        self._interval = interval
        self._time_limit = time_limit
        self._changed = False

    def mark_changed(self) -> None:
        """Ask for a snapshot at the next look."""
        self._changed = True

    async def run(self) -> None:
        """Save whenever something changed, until cancelled."""
        pause = self._interval
        while True:
            await asyncio.sleep(pause)
            if not self._changed:
                continue
            self._changed = False
            started = time.monotonic()
            try:
                await self._save_in_child()
            except SnapshotError:
                logger.exception("the emulator's state was not saved; the next try is in %s s", self._interval)
                self._changed = True
            # A large state may take seconds to write: leave the processors to the stack three quarters of the time.
            pause = max(self._interval, 3 * (time.monotonic() - started))

    def save_now(self) -> None:
        """Save in this process: for the end, when nothing else runs any more."""
        write(self._folder, self._save)

    async def _save_in_child(self) -> None:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            self._child(parent)
        waiting = asyncio.create_task(asyncio.to_thread(os.waitpid, child, 0))
        try:
            _, status = await asyncio.wait_for(asyncio.shield(waiting), self._time_limit)
        except TimeoutError as error:
            raise SnapshotError(f"saving took more than {self._time_limit} s and was stopped") from error
        finally:
            if not waiting.done():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                await waiting
        if status != 0:
            raise SnapshotError("the saving process failed; its error is above in this log")

    def _child(self, parent: int) -> None:
        """Write the snapshot and end this process without running any of the parent's clean-up."""
        code = 1
        try:
            # Ends with the parent: a successor must find neither its port taken nor a second writer.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                os.closerange(_FIRST_INHERITED_DESCRIPTOR, os.sysconf("SC_OPEN_MAX"))
                os.nice(5)
                write(self._folder, self._save)
                code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
