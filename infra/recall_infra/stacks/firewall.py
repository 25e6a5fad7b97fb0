"""AWS WAF's rules: one definition for the web app (at CloudFront) and for the API (at its load balancer)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aws_cdk import CfnOutput, Fn
from aws_cdk import aws_wafv2 as waf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recall_infra.environment import Environment
    from recall_infra.stacks.base import RecallStack


class FirewallScope(StrEnum):
    """What the rules stand before."""

    CLOUDFRONT = "CLOUDFRONT"
    REGIONAL = "REGIONAL"


_MANAGED: Final = {
    FirewallScope.CLOUDFRONT: (
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
    ),
    # Without the common rules: they refuse bodies of more than 8 KiB, and memories that talk of HTML or SQL.
    FirewallScope.REGIONAL: ("AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet"),
}
RULE_COUNT: Final = {scope: len(groups) + 1 for scope, groups in _MANAGED.items()}
"""Rules that are always there: managed groups, and the limit of requests."""


def web_acl(stack: RecallStack, construct_id: str, environment: Environment, scope: FirewallScope) -> waf.CfnWebACL:
    """Return a web ACL with its log.

    Everything is allowed that no rule blocks; with web.addresses everything is blocked that does not come from them.
    """
    rules = [*_access_rules(stack, construct_id, environment, scope), *_managed_rules(scope)]
    limit = environment.web.firewall.requests_per_five_minutes
    rules.append(
        _rule(
            "RequestLimit",
            waf.CfnWebACL.StatementProperty(
                rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                    limit=limit, aggregate_key_type="IP", evaluation_window_sec=300
                )
            ),
        )
    )
    acl = waf.CfnWebACL(
        stack,
        construct_id,
        scope=scope.value,
        default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visibility(construct_id),
        rules=[_numbered(rule, number) for number, rule in enumerate(rules)],
    )
    # Source of the name's beginning: AWS WAF Developer Guide, logging to CloudWatch Logs.
    group = stack.log_group(f"{construct_id}Logs", f"aws-waf-logs-recall-{environment.name}-{scope.value.lower()}")
    waf.CfnLoggingConfiguration(
        stack,
        f"{construct_id}Logging",
        resource_arn=acl.attr_arn,
        log_destination_configs=[Fn.select(0, Fn.split(":*", group.log_group_arn))],
        redacted_fields=[
            waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": name})
            for name in ("authorization", "cookie")
        ]
        + [waf.CfnLoggingConfiguration.FieldToMatchProperty(query_string={})],
    )
    CfnOutput(stack, f"{construct_id}Arn", value=acl.attr_arn)
    return acl


def _access_rules(
    stack: RecallStack, construct_id: str, environment: Environment, scope: FirewallScope
) -> Iterator[waf.CfnWebACL.RuleProperty]:
    statement = waf.CfnWebACL.StatementProperty
    if environment.web.addresses:
        known: list[waf.CfnWebACL.StatementProperty] = []
        for version, mark in (("IPV4", "."), ("IPV6", ":")):
            found = [item for item in environment.web.addresses if mark in item]
            if found:
                addresses = waf.CfnIPSet(
                    stack,
                    f"{construct_id}{version.title()}",
                    addresses=found,
                    ip_address_version=version,
                    scope=scope.value,
                )
                reference = waf.CfnWebACL.IPSetReferenceStatementProperty(arn=addresses.attr_arn)
                known.append(statement(ip_set_reference_statement=reference))
        either = (
            known[0] if len(known) == 1 else statement(or_statement=waf.CfnWebACL.OrStatementProperty(statements=known))
        )
        yield _rule("OtherAddresses", statement(not_statement=waf.CfnWebACL.NotStatementProperty(statement=either)))
    if environment.web.countries:
        here = statement(
            geo_match_statement=waf.CfnWebACL.GeoMatchStatementProperty(country_codes=environment.web.countries)
        )
        yield _rule("OtherCountries", statement(not_statement=waf.CfnWebACL.NotStatementProperty(statement=here)))


def _managed_rules(scope: FirewallScope) -> Iterator[waf.CfnWebACL.RuleProperty]:
    for name in _MANAGED[scope]:
        group = waf.CfnWebACL.ManagedRuleGroupStatementProperty(name=name, vendor_name="AWS")
        yield waf.CfnWebACL.RuleProperty(
            name=name,
            priority=0,
            statement=waf.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
            override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
            visibility_config=_visibility(name),
        )


def _rule(name: str, statement: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.RuleProperty:
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=0,
        statement=statement,
        action=waf.CfnWebACL.RuleActionProperty(block={}),
        visibility_config=_visibility(name),
    )


def _numbered(rule: waf.CfnWebACL.RuleProperty, number: int) -> waf.CfnWebACL.RuleProperty:
    return waf.CfnWebACL.RuleProperty(
        name=rule.name,
        priority=number,
        statement=rule.statement,
        action=rule.action,
        override_action=rule.override_action,
        visibility_config=rule.visibility_config,
    )


def _visibility(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
