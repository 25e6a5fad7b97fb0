"""The same flows and the same judge on the emulated AWS: a process of its own, real requests of boto3, real time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from recall_local.aws.emulator import ROOT_ACCESS_KEY, ROOT_SECRET_KEY
from recall_operator.aws.client import RATES, Aws, is_write
from tests.faults import faults
from tests.faults.emulated_account import EmulatedAccount
from tests.faults.flows import FLOWS
from tests.faults.schedules import Result, Schedule, perform, record, silence
from tests.faults.world import OLD_TABLE, FaultWorld
from tests.integration.conftest import new_emulator
from tests.unit.operator.fake_aws import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recall_operator.aws.client import AwsCaller
    from recall_operator.platform import Platform
    from tests.faults.flows import Flow
    from tests.faults.schedules import Recording
    from tests.integration.conftest import Emulator
    from tests.unit.operator.fake_aws import FakeAws


class _Refusing:
    """AWS, read only: who would write is found out, and nothing is changed by looking."""

    def __init__(self, aws: AwsCaller) -> None:
        self._aws = aws
        self.refused = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if is_write(operation):
            self.refused = True
            raise AssertionError(f"{operation} by a pass that should write nothing")
        return await self._aws.call(service, operation, **parameters)

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        return await self._aws.pages(service, operation, key, **parameters)


class _TellingRestores:
    """The emulated AWS, made to tell what a table was restored from, as AWS's DescribeTable does."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._summaries: dict[str, Any] = {}

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        answer = await self._aws.call(service, operation, **parameters)
        if operation.startswith("restore_table"):
            source = parameters.get("SourceTableName", OLD_TABLE)
            summary = {"SourceTableArn": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/{source}"}
            backup = {"SourceBackupArn": parameters["BackupArn"]} if "BackupArn" in parameters else {}
            self._summaries[parameters["TargetTableName"]] = summary | backup
        if operation == "describe_table" and parameters["TableName"] in self._summaries:
            answer["Table"]["RestoreSummary"] = self._summaries[parameters["TableName"]]
        return answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> list[dict[str, Any]]:
        return await self._aws.pages(service, operation, key, **parameters)


class EmulatedWorld(FaultWorld):
    """Kubernetes in memory beside an AWS that is none of ours."""

    patience_seconds = 60.0
    late_seconds = 0.5
    """A process that ended has at most this long a request under way: the emulator answers within milliseconds."""
    restart_seconds = 0.05
    beginning_seconds = 0.4

    def __init__(self, emulator: Emulator, aws: Aws) -> None:
        self._emulator = emulator
        self._boto = aws
        super().__init__()

    def open_account(self, planned: FakeAws) -> tuple[Any, Platform]:
        """Empty the emulator, and plant in it what is planned."""
        self.account = EmulatedAccount(self._emulator)
        self.account.fill(planned)
        self.backup = self.account.back_up(OLD_TABLE)
        return _TellingRestores(self._boto), self.account.platform()

    def holdings(self) -> dict[str, Any]:
        """Return all that there is on AWS."""
        return self.account.holdings()

    def let_aws_finish(self) -> None:
        """Do nothing: this AWS finishes at once."""

    def put_memory(self, table: str, memory: str) -> None:
        """Put a memory into a table."""
        self.account.remember(table, memory)

    def remember(self) -> None:
        """Do nothing: this AWS can't be asked for its past."""

    async def is_quiet(self) -> bool:
        """Whether a pass of a fresh operator would write nothing."""
        aws = _Refusing(self.aws)
        return await self._writes_nothing(aws) and not aws.refused


EMULATED_FLOWS: Final = [
    flow
    for flow in FLOWS
    if flow.name in ("create", "change", "hibernate", "delete", "restore", "restore and think better")
]
"""Not adopting: the emulated EKS refuses to tag an association that exists."""


class EmulatedRun:
    """Plays flows and schedules on one emulator."""

    def __init__(self, emulator: Emulator, aws: Aws) -> None:
        self._emulator = emulator
        self._aws = aws
        self._recordings: dict[Flow, Recording] = {}

    def recorded(self, flow: Flow) -> Recording:
        """Return the run of `flow` without faults."""

        async def work() -> Recording:
            return await record(flow, EmulatedWorld(self._emulator, self._aws))

        if flow not in self._recordings:
            with silence():
                self._recordings[flow] = asyncio.run(work())
        return self._recordings[flow]

    def play(self, schedule: Schedule) -> Result:
        """Play one schedule and say how it ended."""
        end = self.recorded(schedule.flow).end

        async def work() -> float:
            return await perform(schedule, EmulatedWorld(self._emulator, self._aws), end)

        with silence():
            try:
                return Result(schedule, asyncio.run(work()))
            except AssertionError as problem:
                return Result(schedule, 0.0, str(problem))

    def schedules(self, flow: Flow) -> Iterator[Schedule]:
        """Yield a schedule of each kind for every write to AWS; for first reads, of a flow that writes nothing."""
        sites = [site for site in dict.fromkeys(self.recorded(flow).sites) if site.door == "aws"]
        for site in [site for site in sites if site.write] or [site for site in sites if site.occurrence == 1]:
            at = partial(Schedule, flow=flow, where=str(site))
            yield at("emulated: crash before a call", make=partial(faults.CrashBefore, site))
            yield at("emulated: crash after a call", make=partial(faults.CrashAfter, site))
            yield at("emulated: throttled", make=partial(faults.Refused, site, faults.throttled))
            yield at("emulated: 5xx", make=partial(faults.Refused, site, faults.broken))
            if site.write:
                yield at("emulated: lost answer", make=partial(faults.LostAnswer, site))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[EmulatedRun]:
    """Start an emulator with its state in `folder`, and stop it in the end."""
    emulator = new_emulator(folder)
    emulator.server.start()
    address = {
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
    }
    try:
        with mock.patch.dict(os.environ, address):
            aws = Aws("eu-west-1", dict.fromkeys(RATES, (10_000.0, 10_000)))
        yield EmulatedRun(emulator, aws)
        aws.close()
    finally:
        emulator.server.stop()
