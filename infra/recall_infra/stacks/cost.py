"""Who is told when money goes: a budget with alarms, and a watch for what is unusual."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce

from recall_infra.stacks.base import Part, RecallStack

if TYPE_CHECKING:
    from constructs import Construct

    from recall_infra.environment import Environment

PART: Final = Part("cost", lasting=True, at_the_edge=True)
_ALARMS: Final = (("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""Kind, and percent of the budget."""


class Cost(RecallStack):
    """Budget and anomaly detection of the account; both are kept by AWS in us-east-1."""

    def __init__(self, app: Construct, environment: Environment) -> None:
        """Make them."""
        super().__init__(app, environment, PART, "Recall: budget and anomaly detection of the account.")
        knobs = environment.budget
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=f"recall-{environment.name}",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=knobs.monthly_usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")
                        for email in knobs.emails
                    ],
                )
                for kind, percent in _ALARMS
            ],
        )
        if not knobs.anomalies:
            return
        monitor = ce.CfnAnomalyMonitor(
            self,
            "Anomalies",
            monitor_name=f"recall-{environment.name}",
            monitor_type="DIMENSIONAL",
            monitor_dimension="SERVICE",
        )
        ce.CfnAnomalySubscription(
            self,
            "AnomalyMails",
            subscription_name=f"recall-{environment.name}",
            frequency="DAILY",
            monitor_arn_list=[monitor.attr_monitor_arn],
            subscribers=[
                ce.CfnAnomalySubscription.SubscriberProperty(address=email, type="EMAIL") for email in knobs.emails
            ],
            threshold_expression=json.dumps(
                {
                    "Dimensions": {
                        "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                        "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                        "Values": [str(knobs.anomaly_usd)],
                    }
                }
            ),
        )
