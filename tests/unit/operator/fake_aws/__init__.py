"""AWS in memory: a module for each service, mixed into `FakeAws`."""

from tests.unit.operator.fake_aws.answers import ACCOUNT, POOL, ZONE, copied, refused
from tests.unit.operator.fake_aws.aws import HOLDINGS, FakeAws

__all__ = ["ACCOUNT", "HOLDINGS", "POOL", "ZONE", "FakeAws", "copied", "refused"]
