"""The stacks in the emulated AWS: deployed, told to the operator, signed in to, torn down."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import uuid
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest
import yaml

from recall_local import webhook_certificate
from recall_local.aws import emulator as aws_emulator
from recall_operator.platform import Platform
from tests.infra.conftest import EMULATED
from tests.infra.emulated import NOT_EMULATED, REGION, Account, without_what_is_not_emulated
from tests.integration.api.conftest import CALLBACK, tokens_from_hosted_page
from tests.integration.conftest import Emulator, Server, client, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "Aa1-emulated-sign-in"
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "infra.md"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> aws_emulator.Tls:
    return aws_emulator.Tls(free_port(), webhook_certificate.ensure(tmp_path_factory.mktemp("tls"), "127.0.0.1"))


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, tls: aws_emulator.Tls) -> Iterator[Emulator]:
    folder = tmp_path_factory.mktemp("account")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = aws_emulator.command(folder, "127.0.0.1", port, region=REGION, tls=tls)
    running = Emulator(endpoint, folder, Server(command, folder / "log", lambda: aws_emulator.is_ready(endpoint)))
    running.server.start()
    yield running
    running.server.stop()


@pytest.fixture(scope="module")
def left_out(assemblies: Path) -> tuple[Path, dict[str, set[str]]]:
    """The assembly that can be deployed, and which kinds each of its stacks is without."""
    folder = assemblies / "emulated-reduced"
    return folder, without_what_is_not_emulated(assemblies / "emulated", folder)


@pytest.fixture(scope="module")
def account(
    aws: Emulator,
    tls: aws_emulator.Tls,
    left_out: tuple[Path, dict[str, set[str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Account:
    """The account after `cdk bootstrap` and `cdk deploy --all`."""
    home = tmp_path_factory.mktemp("home")
    known = home / "certificate.pem"
    known.write_bytes(webhook_certificate.public_part(tls.certificate))
    found = Account(
        lambda service: client(service, aws.endpoint, region_name=REGION),
        left_out[0],
        f"https://127.0.0.1:{tls.port}",
        known,
        home,
    )
    found.bootstrap()
    found.deploy()
    # A loaded machine is slower than Lambda, and no test measures time.
    found.client("lambda").update_function_configuration(
        FunctionName=trigger(found), Timeout=60, Environment={"Variables": variables(found) | {LIMIT: "30"}}
    )
    return found


LIMIT = "RECALL_TIER_LIMIT_SECONDS"


def trigger(account: Account) -> str:
    pool_id = account.outputs("recall-emulated-identity")["UserPoolId"]
    pool = account.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"]
    name: str = pool["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaArn"]
    return name


def variables(account: Account) -> dict[str, str]:
    found = account.client("lambda").get_function_configuration(FunctionName=trigger(account))
    return dict(found["Environment"]["Variables"])


def test_the_page_names_what_was_never_deployed(left_out: tuple[Path, dict[str, set[str]]]) -> None:
    kinds = set().union(*left_out[1].values())
    assert kinds >= NOT_EMULATED
    never = PAGE.read_text().partition("**Never deployed")[2]
    assert not [kind for kind in sorted(kinds) if f"`{kind}`" not in never]


def test_cdk_deploys_every_stack_and_a_second_time_changes_nothing(account: Account) -> None:
    made = {path.name.removesuffix(".template.json") for path in account.folder.glob("*.template.json")}
    # Nothing of `cost` is emulated.
    assert account.stacks() == dict.fromkeys(made - {"recall-emulated-cost"} | {"CDKToolkit"}, "CREATE_COMPLETE")
    before = account.stacks()
    said = account.deploy()
    assert said.count("(no changes)") == len(before) - 1
    assert account.stacks() == before


def test_the_operator_gets_its_document(account: Account, aws: Emulator) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [sys.executable, "-m", "recall_infra", "platform", str(EMULATED)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    values = yaml.safe_load(printed)
    jsonschema.validate(
        values, json.loads((ROOT / "deploy" / "chart" / "values.schema.json").read_text()) | {"required": []}
    )
    assert values["ingressClass"]["certificateArns"] == [account.outputs("recall-emulated-dns")["CertificateArn"]]
    found = Platform.model_validate(values["platform"])
    assert found.dns.hosted_zone_id == account.outputs("recall-emulated-dns")["HostedZoneId"]
    assert found.identity.user_pool_id == account.outputs("recall-emulated-identity")["UserPoolId"]
    assert found.web.distribution.dns_name == account.outputs("recall-emulated-web")["DistributionName"]
    assert (found.aws.region, found.aws.bedrock_region) == ("us-east-1", "us-west-2")
    assert (
        values["image"]["repository"] == "000000000000.dkr.ecr.us-east-1.amazonaws.com/recall-emulated/recall-operator"
    )


class Instance:
    """What the operator makes for an instance, as far as sign-in goes."""

    def __init__(self, account: Account, name: str, table: str | None = None) -> None:
        self._account = account
        self.cognito = account.client("cognito-idp")
        self.dynamodb = account.client("dynamodb")
        self.pool_id = account.outputs("recall-emulated-identity")["UserPoolId"]
        self.table = table or f"recall.recall-emulated.default.{name}.users"
        made = self.cognito.create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName=f"recall.recall-emulated.default.{name}@{uuid.uuid4()}",
            AllowedOAuthFlows=["code"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["openid", "email", "profile"],
            CallbackURLs=[CALLBACK],
            SupportedIdentityProviders=["COGNITO"],
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
        )
        self.client_id = made["UserPoolClient"]["ClientId"]

    def make_table(self) -> Instance:
        self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        return self

    def user(self, tier: str | None) -> str:
        """A new user, with a profile of this tier unless it is None."""
        name = f"{uuid.uuid4().hex}@example.org"
        user = self.cognito.admin_create_user(
            UserPoolId=self.pool_id,
            Username=name,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": name}, {"Name": "email_verified", "Value": "true"}],
        )["User"]
        self.cognito.admin_set_user_password(UserPoolId=self.pool_id, Username=name, Password=PASSWORD, Permanent=True)
        subject = next(item["Value"] for item in user["Attributes"] if item["Name"] == "sub")
        if tier is not None:
            profile = {"pk": {"S": f"USER#{subject}"}, "sk": {"S": "PROFILE"}, "tier": {"S": tier}}
            self.dynamodb.put_item(TableName=self.table, Item=profile)
        return name

    def tiers(self, aws: Emulator, user: str) -> tuple[Any, Any]:
        """Sign in through the hosted page; the claim in both tokens."""
        tokens = tokens_from_hosted_page(aws.endpoint, self.client_id, user, PASSWORD)
        return claims(tokens["id_token"]).get("tier"), claims(tokens["access_token"]).get("tier")


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.fixture(scope="module")
def instance(account: Account) -> Instance:
    return Instance(account, "beta").make_table()


@pytest.mark.parametrize(
    ("tier", "claim"), [("premium", "premium"), ("free", "free"), (None, "free"), ("gold", "free")]
)
def test_the_tier_is_in_both_tokens(aws: Emulator, instance: Instance, tier: str | None, claim: str) -> None:
    assert instance.tiers(aws, instance.user(tier)) == (claim, claim)


def test_a_users_table_with_a_name_of_its_own_is_found(aws: Emulator, account: Account) -> None:
    named = Instance(account, "named", "users-of-named").make_table()
    assert named.tiers(aws, named.user("premium")) == ("premium", "premium")


def test_each_instance_has_its_own_tiers(aws: Emulator, account: Account, instance: Instance) -> None:
    other = Instance(account, "other").make_table()
    payer = instance.user("premium")
    assert instance.tiers(aws, payer) == ("premium", "premium")
    assert other.tiers(aws, payer) == ("free", "free")


def test_without_a_table_people_sign_in_as_free(aws: Emulator, account: Account) -> None:
    missing = Instance(account, "missing")
    assert missing.tiers(aws, missing.user(None)) == ("free", "free")


@contextmanager
def function_that_sees(account: Account, **changes: str) -> Iterator[None]:
    """Run the trigger with other settings, in a process of its own."""
    functions, name, before = account.client("lambda"), trigger(account), variables(account)
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | changes})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_a_slow_table_lets_people_sign_in_as_free(aws: Emulator, account: Account, instance: Instance) -> None:
    """The table's door takes the question and never answers."""
    payer = instance.user("premium")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with function_that_sees(account, AWS_ENDPOINT_URL_DYNAMODB=address, **{LIMIT: "1"}):
            assert instance.tiers(aws, payer) == ("free", "free")
        silent.settimeout(1)
        assert silent.accept(), "the function did ask"
    assert instance.tiers(aws, payer) == ("premium", "premium")


def test_an_error_of_the_table_lets_people_sign_in_as_free(aws: Emulator, account: Account, instance: Instance) -> None:
    payer = instance.user("premium")
    with function_that_sees(account, AWS_ENDPOINT_URL_DYNAMODB=f"http://127.0.0.1:{free_port()}"):
        assert instance.tiers(aws, payer) == ("free", "free")


@pytest.mark.parametrize(("email", "refused"), [("new@example.org", False), ("new@example.com", True)])
def test_lambda_runs_the_guard_of_sign_ups(account: Account, email: str, refused: bool) -> None:
    """By Lambda alone: the emulated Cognito calls it for nobody who signs up by password."""
    pool_id = account.outputs("recall-emulated-identity")["UserPoolId"]
    pool = account.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"]
    event = {"triggerSource": "PreSignUp_SignUp", "request": {"userAttributes": {"email": email}}, "response": {}}
    answer = account.client("lambda").invoke(FunctionName=pool["LambdaConfig"]["PreSignUp"], Payload=json.dumps(event))
    assert ("FunctionError" in answer) is refused
    said = json.loads(answer["Payload"].read())
    assert said == event if not refused else "certain domains" in said["errorMessage"]


def test_the_trigger_may_read_tiers_of_its_cluster_and_nothing_else(account: Account, instance: Instance) -> None:
    """The role's own policies, asked of IAM."""
    iam = account.client("iam")
    role = next(item for item in iam.list_roles(MaxItems=1000)["Roles"] if "TierRole" in item["RoleName"])
    tables = f"arn:aws:dynamodb:{REGION}:000000000000:table"
    allowed = {
        ("dynamodb:GetItem", f"{tables}/{instance.table}"): True,
        ("dynamodb:GetItem", f"{tables}/recall.recall-emulated.default.beta.memories"): False,
        ("dynamodb:GetItem", f"{tables}/recall.other.default.beta.users"): False,
        ("dynamodb:Query", f"{tables}/{instance.table}"): False,
        ("dynamodb:PutItem", f"{tables}/{instance.table}"): False,
    }
    for (action, resource), wanted in allowed.items():
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role["Arn"], ActionNames=[action], ResourceArns=[resource]
        )
        (result,) = answer["EvaluationResults"]
        assert (result["EvalDecision"] == "allowed") is wanted, (action, resource)


def test_the_emulator_is_as_strict_as_cognito(aws: Emulator, account: Account, instance: Instance) -> None:
    """A trigger that raises keeps people out; so the others passed because ours does not raise."""
    functions = account.client("lambda")
    name = trigger(account)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context):\n    raise RuntimeError('no')\n")
    own = Path(__file__).parents[2] / "infra" / "recall_infra" / "functions" / "tier" / "handler.py"
    functions.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
    try:
        with pytest.raises((httpx.HTTPError, AssertionError, KeyError)):
            instance.tiers(aws, instance.user("premium"))
    finally:
        again = io.BytesIO()
        with zipfile.ZipFile(again, "w") as archive:
            archive.write(own, "handler.py")
        functions.update_function_code(FunctionName=name, ZipFile=again.getvalue())
    assert instance.tiers(aws, instance.user("premium")) == ("premium", "premium")


def test_the_cluster_goes_and_the_rest_stays(account: Account, instance: Instance) -> None:
    """Last in this module: what `make infra-destroy` does."""
    before = account.stacks()
    account.destroy("recall-emulated-network")
    gone = {f"recall-emulated-{part}" for part in ("operator-rights", "cluster", "network")}
    assert account.stacks() == {name: status for name, status in before.items() if name not in gone}
    assert not account.client("eks").list_clusters()["clusters"]
    assert account.client("cognito-idp").describe_user_pool(UserPoolId=instance.pool_id)
    assert account.client("dynamodb").describe_table(TableName=instance.table)
    repositories = account.client("ecr").describe_repositories()["repositories"]
    assert len([item for item in repositories if item["repositoryName"].startswith("recall-emulated/")]) == 3
    zones = account.client("route53").list_hosted_zones()["HostedZones"]
    assert [zone["Name"] for zone in zones] == ["emulated.example.org."]
    site = account.outputs("recall-emulated-web")["SiteBucket"]
    assert account.client("s3").head_bucket(Bucket=site)
