"""States of AWS and of the cluster that no manifest can foresee: each mended or reported, none destroyed."""

from __future__ import annotations

from recall_operator.aws.inventory import Inventory
from recall_operator.models.instance import FINALIZER
from recall_operator.ownership import CLUSTER_TAG, NAME_TAG, NAMESPACE_TAG, UID_TAG
from recall_operator.reconcile.rhythm import Outcome
from tests.integration.operator.resources.test_parts_on_aws import ANYBODY, STS_ONLY, document
from tests.integration.operator.scene import ANOTHER, Scene

# --- tables -----------------------------------------------------------------------------------------------------


async def test_a_table_deleted_by_hand_is_made_again(scene: Scene) -> None:
    await scene.apply()
    scene.dynamodb.delete_table(TableName=scene.table)
    await scene.settle()
    assert scene.is_ready()
    assert scene.dynamodb.describe_table(TableName=scene.table)["Table"]["TableStatus"] == "ACTIVE"
    assert scene.tags()[NAME_TAG] == scene.name


async def test_a_table_whose_tags_were_removed_is_reported_and_kept(scene: Scene) -> None:
    await scene.apply(deletionPolicy={"tables": "Delete"})
    scene.remember()
    arn = scene.dynamodb.describe_table(TableName=scene.table)["Table"]["TableArn"]
    scene.dynamodb.untag_resource(ResourceArn=arn, TagKeys=[CLUSTER_TAG, NAMESPACE_TAG, NAME_TAG, UID_TAG])
    await scene.settle()
    assert scene.condition("TablesReady")["reason"] == "NotOwned"
    assert "spec.adoption" in scene.condition("Stalled")["message"]
    assert await scene.delete() is Outcome.GONE
    assert scene.still_remembers()


async def test_a_table_of_another_instance_is_neither_adopted_nor_deleted(scene: Scene) -> None:
    scene.make_table(ANOTHER)
    scene.remember()
    await scene.apply(adoption="Adopt", deletionPolicy={"tables": "Delete"})
    assert scene.condition("TablesReady")["reason"] == "NotOwned"
    assert "default/other" in scene.condition("TablesReady")["message"]
    await scene.delete()
    assert scene.still_remembers()
    assert scene.tags() == ANOTHER


async def test_a_table_with_another_key_schema_is_reported_even_when_adoption_is_asked_for(scene: Scene) -> None:
    scene.make_table({}, key="customer")
    await scene.apply(adoption="Adopt", deletionPolicy={"tables": "Delete"})
    assert scene.condition("TablesReady")["reason"] == "WrongKeys"
    assert "spec.tables.memories.name" in scene.condition("Stalled")["message"]
    await scene.delete()
    assert scene.dynamodb.describe_table(TableName=scene.table)["Table"]["KeySchema"][0]["AttributeName"] == "customer"
    assert scene.tags() == {}


async def test_recovery_switched_off_by_hand_is_switched_on_again(scene: Scene) -> None:
    await scene.apply()
    off = {"PointInTimeRecoveryEnabled": False}
    scene.dynamodb.update_continuous_backups(TableName=scene.table, PointInTimeRecoverySpecification=off)
    await scene.settle()
    backups = scene.dynamodb.describe_continuous_backups(TableName=scene.table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


async def test_expiry_switched_off_by_hand_is_switched_on_again(scene: Scene) -> None:
    await scene.apply()
    off = {"Enabled": False, "AttributeName": "expiresAt"}
    scene.dynamodb.update_time_to_live(TableName=scene.table, TimeToLiveSpecification=off)
    await scene.settle()
    expiry = scene.dynamodb.describe_time_to_live(TableName=scene.table)["TimeToLiveDescription"]
    assert expiry["TimeToLiveStatus"] == "ENABLED"


async def test_deletion_protection_switched_on_by_hand_stays_and_is_lifted_only_to_delete(scene: Scene) -> None:
    await scene.apply(deletionPolicy={"tables": "Delete"})
    scene.dynamodb.update_table(TableName=scene.table, DeletionProtectionEnabled=True)
    await scene.settle()
    assert scene.dynamodb.describe_table(TableName=scene.table)["Table"]["DeletionProtectionEnabled"]
    assert await scene.delete() is Outcome.GONE
    assert scene.table not in scene.operator.tables()


async def test_tags_that_others_put_on_a_table_stay(scene: Scene) -> None:
    await scene.apply()
    arn = scene.dynamodb.describe_table(TableName=scene.table)["Table"]["TableArn"]
    scene.dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "cost-centre", "Value": "42"}])
    scene.dynamodb.untag_resource(ResourceArn=arn, TagKeys=[NAME_TAG])
    await scene.settle()
    assert scene.tags()["cost-centre"] == "42"
    assert scene.tags()[NAME_TAG] == scene.name


# --- sign-in ----------------------------------------------------------------------------------------------------


async def test_a_client_edited_in_the_console_is_mended_and_keeps_its_id(scene: Scene) -> None:
    await scene.apply()
    (before,) = scene.clients()
    scene.cognito.update_user_pool_client(
        UserPoolId=before["UserPoolId"], ClientId=before["ClientId"], CallbackURLs=["https://evil.example/"]
    )
    await scene.settle()
    (after,) = scene.clients()
    assert (after["ClientId"], after["CallbackURLs"]) == (before["ClientId"], [f"https://{scene.host}/callback"])


async def test_of_two_clients_of_one_name_the_one_in_use_stays(scene: Scene) -> None:
    await scene.apply()
    (kept,) = scene.clients()
    scene.cognito.create_user_pool_client(UserPoolId=kept["UserPoolId"], ClientName=kept["ClientName"])
    await scene.settle()
    assert [item["ClientId"] for item in scene.clients()] == [kept["ClientId"]]
    assert scene.object("ConfigMap")["data"]["RECALL_CLIENT_ID"] == kept["ClientId"]


async def test_a_client_deleted_by_hand_is_made_again_and_the_pods_learn_its_id(scene: Scene) -> None:
    await scene.apply()
    (old,) = scene.clients()
    scene.cognito.delete_user_pool_client(UserPoolId=old["UserPoolId"], ClientId=old["ClientId"])
    await scene.settle()
    (new,) = scene.clients()
    assert new["ClientId"] != old["ClientId"]
    assert scene.object("ConfigMap")["data"]["RECALL_CLIENT_ID"] == new["ClientId"]


async def test_a_missing_user_pool_is_reported_and_the_rest_works(lonely: Scene) -> None:
    lonely.cognito.delete_user_pool(UserPoolId=lonely.facts.identity.user_pool_id)
    assert await lonely.try_and_fail() is Outcome.FAILED
    assert lonely.condition()["status"] == "False"
    assert lonely.condition("IdentityReady")["reason"] == "Missing"
    assert "platform document" in lonely.condition("IdentityReady")["message"]
    assert lonely.condition("TablesReady")["status"] == "True"


# --- access -----------------------------------------------------------------------------------------------------


async def test_a_role_of_the_name_that_is_not_ours_is_reported_and_kept(scene: Scene) -> None:
    scene.iam.create_role(RoleName=scene.role, AssumeRolePolicyDocument=document(ANYBODY))
    scene.iam.put_role_policy(RoleName=scene.role, PolicyName="recall-api", PolicyDocument=document(STS_ONLY))
    before = scene.iam.get_role_policy(RoleName=scene.role, PolicyName="recall-api")["PolicyDocument"]
    await scene.apply()
    assert scene.condition("AccessReady")["reason"] == "NotOwned"
    assert scene.condition("Stalled")["status"] == "True"
    await scene.delete()
    assert scene.iam.get_role_policy(RoleName=scene.role, PolicyName="recall-api")["PolicyDocument"] == before


async def test_a_foreign_policy_on_our_role_stays_and_blocks_its_deletion_by_name(scene: Scene) -> None:
    await scene.apply()
    scene.iam.put_role_policy(RoleName=scene.role, PolicyName="audit", PolicyDocument=document(STS_ONLY))
    await scene.settle()
    assert scene.is_ready()
    scene.kubernetes.delete_instance(scene.key)
    for _ in range(6):
        await scene.operator.once(scene.key)
    message = scene.condition("AccessReady")["message"]
    assert scene.condition("AccessReady")["status"] == "False"
    assert scene.condition("AccessReady")["reason"] == "DeletionBlocked"
    assert "Take off what others put on it" in message
    assert scene.iam.list_role_policies(RoleName=scene.role)["PolicyNames"] == ["audit"]
    scene.iam.delete_role_policy(RoleName=scene.role, PolicyName="audit")
    assert await scene.operator.settle(scene.key) is Outcome.GONE


async def test_policies_that_others_put_on_our_role_are_reported_and_stay(scene: Scene) -> None:
    """As soon as the instance is at rest: the list of all roles, which only then is read, tells of them for nothing."""
    await scene.apply()
    scene.iam.put_role_policy(RoleName=scene.role, PolicyName="audit", PolicyDocument=document(STS_ONLY))
    made = scene.iam.create_policy(PolicyName=f"wide-{scene.name}", PolicyDocument=document(STS_ONLY))
    scene.iam.attach_role_policy(RoleName=scene.role, PolicyArn=made["Policy"]["Arn"])
    scene.operator.aws = Inventory(scene.operator.aws, scene.facts.cluster.name)
    await scene.settle()
    assert scene.is_ready()
    assert scene.condition("AccessReady")["reason"] == "ForeignPolicies"
    assert f"audit, wide-{scene.name}" in scene.condition("AccessReady")["message"]
    assert sorted(scene.iam.list_role_policies(RoleName=scene.role)["PolicyNames"]) == ["audit", "recall-api"]
    assert len(scene.iam.list_attached_role_policies(RoleName=scene.role)["AttachedPolicies"]) == 1


async def test_a_trust_policy_widened_by_hand_is_narrowed_again(scene: Scene) -> None:
    await scene.apply()
    before = scene.iam.get_role(RoleName=scene.role)["Role"]["AssumeRolePolicyDocument"]
    scene.iam.update_assume_role_policy(RoleName=scene.role, PolicyDocument=document(ANYBODY))
    await scene.settle()
    assert scene.iam.get_role(RoleName=scene.role)["Role"]["AssumeRolePolicyDocument"] == before


async def test_an_association_with_the_role_of_another_instance_points_back(scene: Scene) -> None:
    await scene.apply()
    other = f"{scene.role}-neighbour"
    tags = [{"Key": key, "Value": value} for key, value in ANOTHER.items()]
    arn = scene.iam.create_role(RoleName=other, AssumeRolePolicyDocument=document(ANYBODY), Tags=tags)["Role"]["Arn"]
    cluster, found = scene.facts.cluster.name, scene.association()
    scene.eks.update_pod_identity_association(clusterName=cluster, associationId=found["associationId"], roleArn=arn)
    await scene.settle()
    assert scene.association()["roleArn"] == found["roleArn"]
    assert {tag["Key"]: tag["Value"] for tag in scene.iam.list_role_tags(RoleName=other)["Tags"]} == ANOTHER


async def test_a_widened_policy_is_narrowed_again(scene: Scene) -> None:
    await scene.apply()
    before = scene.iam.get_role_policy(RoleName=scene.role, PolicyName="recall-api")["PolicyDocument"]
    wide = document({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    scene.iam.put_role_policy(RoleName=scene.role, PolicyName="recall-api", PolicyDocument=wide)
    await scene.settle()
    assert scene.iam.get_role_policy(RoleName=scene.role, PolicyName="recall-api")["PolicyDocument"] == before


async def test_a_role_deleted_under_its_association_is_made_again(scene: Scene) -> None:
    await scene.apply()
    scene.iam.delete_role_policy(RoleName=scene.role, PolicyName="recall-api")
    scene.iam.delete_role(RoleName=scene.role)
    await scene.settle()
    assert scene.is_ready()
    assert scene.association()["roleArn"] == scene.iam.get_role(RoleName=scene.role)["Role"]["Arn"]


async def test_an_association_that_points_to_another_role_points_back(scene: Scene) -> None:
    await scene.apply()
    before = scene.association()
    other = scene.iam.create_role(RoleName=f"other-{scene.name}", AssumeRolePolicyDocument=document(ANYBODY))
    scene.eks.update_pod_identity_association(
        clusterName=scene.facts.cluster.name, associationId=before["associationId"], roleArn=other["Role"]["Arn"]
    )
    await scene.settle()
    assert (scene.association()["associationId"], scene.association()["roleArn"]) == (
        before["associationId"],
        before["roleArn"],
    )
    assert scene.iam.get_role(RoleName=f"other-{scene.name}")


async def test_a_foreign_association_of_the_service_account_is_reported_and_kept(scene: Scene) -> None:
    other = scene.iam.create_role(RoleName=f"their-{scene.name}", AssumeRolePolicyDocument=document(ANYBODY))
    arn = other["Role"]["Arn"]
    scene.eks.create_pod_identity_association(
        clusterName=scene.facts.cluster.name, namespace="default", serviceAccount=f"{scene.name}-api", roleArn=arn
    )
    await scene.apply()
    assert scene.condition("AccessReady")["reason"] == "NotOwned"
    await scene.delete()
    assert scene.association()["roleArn"] == arn


# --- names ------------------------------------------------------------------------------------------------------


async def test_a_record_owned_by_another_is_reported_and_kept(scene: Scene) -> None:
    theirs = {"Name": f"{scene.host}.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    mark = '"heritage=recall,cluster=elsewhere,namespace=default" "name=other,uid=uid-of-another"'
    owner = {"Name": f"_recall-owner.{scene.host}.", "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": mark}]}
    scene.change_record("CREATE", theirs)
    scene.change_record("CREATE", owner)
    await scene.apply(adoption="Adopt")
    assert scene.condition("DNSReady")["reason"] == "NotOwned"
    assert "default/other" in scene.condition("DNSReady")["message"]
    await scene.delete()
    assert scene.records() == {(scene.host, "A"): theirs, (f"_recall-owner.{scene.host}", "TXT"): owner}


async def test_a_record_without_its_owner_record_is_reported_and_kept(scene: Scene) -> None:
    await scene.apply()
    before = scene.records()
    scene.change_record("DELETE", before[f"_recall-owner.{scene.host}", "TXT"])
    await scene.settle()
    assert scene.condition("DNSReady")["reason"] == "NotOwned"
    await scene.delete()
    assert (scene.host, "A") in scene.records()


async def test_an_owner_record_without_its_records_gets_them_back(scene: Scene) -> None:
    await scene.apply()
    before = scene.records()
    for kind in ("A", "AAAA"):
        scene.change_record("DELETE", before[scene.host, kind])
    await scene.settle()
    assert scene.records() == before


async def test_records_of_other_types_at_the_name_stay(scene: Scene) -> None:
    mail = {"Name": f"{scene.host}.", "Type": "MX", "TTL": 60, "ResourceRecords": [{"Value": "10 mail.example.org."}]}
    scene.change_record("CREATE", mail)
    await scene.apply()
    assert scene.is_ready()
    await scene.delete()
    assert scene.records() == {(scene.host, "MX"): mail}


async def test_a_missing_zone_is_reported_and_the_rest_works(lonely: Scene) -> None:
    lonely.route53.delete_hosted_zone(Id=lonely.facts.dns.hosted_zone_id)
    assert await lonely.try_and_fail() is Outcome.FAILED
    assert lonely.condition("DNSReady")["reason"] == "Missing"
    assert "platform document" in lonely.condition("DNSReady")["message"]
    assert lonely.condition("TablesReady")["status"] == lonely.condition("WorkloadReady")["status"] == "True"


async def test_weighted_records_at_a_name_that_is_not_ours_stay(scene: Scene) -> None:
    weighted = {"Name": f"{scene.host}.", "Type": "A", "TTL": 60, "SetIdentifier": "theirs", "Weight": 10}
    weighted["ResourceRecords"] = [{"Value": "192.0.2.9"}]
    scene.change_record("CREATE", weighted)
    await scene.apply()
    assert scene.condition("DNSReady")["reason"] == "NotOwned"
    await scene.delete()
    assert scene.records() == {(scene.host, "A"): weighted}


async def test_a_name_split_by_weights_by_hand_is_made_one_again(scene: Scene) -> None:
    await scene.apply()
    before = scene.records()
    alias = before[scene.host, "A"]
    scene.change_record("DELETE", alias)
    scene.change_record("CREATE", alias | {"SetIdentifier": "half", "Weight": 50})
    await scene.settle()
    assert scene.is_ready()
    assert scene.records() == before


async def test_a_cname_at_the_name_is_reported_and_kept(scene: Scene) -> None:
    theirs = {"Name": f"{scene.host}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x.example.org"}]}
    scene.change_record("CREATE", theirs)
    await scene.apply()
    assert scene.condition("DNSReady")["reason"] == "NotOwned"
    assert "spec.hostname" in scene.condition("DNSReady")["message"]
    await scene.delete()
    assert scene.records() == {(scene.host, "CNAME"): theirs}


async def test_an_owner_record_of_another_program_is_reported_and_kept(scene: Scene) -> None:
    value = '"heritage=external-dns,external-dns/owner=theirs"'
    theirs = {"Name": f"_recall-owner.{scene.host}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    scene.change_record("CREATE", theirs)
    await scene.apply()
    assert scene.condition("DNSReady")["reason"] == "NotOwned"
    await scene.delete()
    assert scene.records() == {(f"_recall-owner.{scene.host}", "TXT"): theirs}


# --- the cluster ------------------------------------------------------------------------------------------------


async def test_a_deployment_scaled_by_hand_is_scaled_back(scene: Scene) -> None:
    await scene.apply(api={"replicas": 3})
    scene.object("Deployment")["spec"]["replicas"] = 7
    await scene.settle()
    assert scene.object("Deployment")["spec"]["replicas"] == 3


async def test_an_edited_config_map_is_mended(scene: Scene) -> None:
    await scene.apply()
    before = dict(scene.object("ConfigMap")["data"])
    scene.object("ConfigMap")["data"]["RECALL_MEMORIES_TABLE"] = "elsewhere"
    await scene.settle()
    assert scene.object("ConfigMap")["data"] == before


async def test_a_finalizer_removed_by_hand_is_put_back(scene: Scene) -> None:
    await scene.apply()
    scene.kubernetes.objects[scene.key]["metadata"]["finalizers"] = []
    await scene.settle()
    assert scene.kubernetes.objects[scene.key]["metadata"]["finalizers"] == [FINALIZER]
    assert scene.is_ready()


async def test_an_instance_that_went_without_its_finalizer_leaves_data_that_a_successor_adopts(scene: Scene) -> None:
    await scene.apply()
    scene.remember()
    scene.kubernetes.objects.clear()
    # The emulated EKS refuses to tag an existing association, which adopting one takes.
    scene.eks.delete_pod_identity_association(
        clusterName=scene.facts.cluster.name, associationId=scene.association()["associationId"]
    )
    await scene.apply(adoption="Adopt")
    assert scene.is_ready(), scene.condition()
    assert scene.still_remembers()
    assert len(scene.clients()) == len(scene.associations()) == 1
