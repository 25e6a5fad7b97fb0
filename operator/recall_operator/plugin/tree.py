"""`kubectl recall status`: an instance as a tree of its parts with their reasons; a pure function of the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKS: Final = {"True": "✔", "False": "✘", "Unknown": "…"}
_BAD_WHEN_TRUE: Final = frozenset({"Stalled", "Reconciling", "Paused", "DryRun", "Expiring"})


def tree(instance: Mapping[str, Any]) -> str:
    """Return the lines that show `instance` and all of its parts."""
    metadata, status = instance["metadata"], instance.get("status", {})
    generation = metadata["generation"]
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    ready = conditions.get(
        "Ready", {"status": "Unknown", "reason": "NotSeenYet", "message": "No operator has seen it."}
    )
    head = f"RecallInstance {metadata['namespace']}/{metadata['name']}"
    lines = [f"{_MARKS[ready['status']]} {head}  {ready['reason']}{_stale(status, generation)}"]
    if "deletionTimestamp" in metadata:
        lines.append(f"  is being deleted since {metadata['deletionTimestamp']}")
    if ready["status"] != "True":
        lines.append(f"  {ready['message']}")
    urls = status.get("urls", {})
    lines += [f"  {name}: {urls[field]}" for name, field in (("web", "web"), ("api", "api")) if field in urls]
    schedule = status.get("hibernation")
    if schedule:
        word = "asleep" if schedule["asleep"] else "awake"
        until = schedule.get("nextTransitionAt")
        lines.append(f"  {word}{f' until {until}' if until else ''}")
    if "expiresAt" in status:
        lines.append(f"  expires at {status['expiresAt']}")
    shown = [
        item
        for kind, item in conditions.items()
        if kind != "Ready" and (kind not in _BAD_WHEN_TRUE or item["status"] == "True")
    ]
    for place, item in enumerate(shown):
        lines += _branch(item, generation, last=place == len(shown) - 1 and not status.get("resources"))
    resources = status.get("resources", [])
    for place, resource in enumerate(resources):
        corner = "└─" if place == len(resources) - 1 else "├─"
        lines.append(f"{corner} {resource['kind']} {resource['name']}  {resource['state']}")
    return "\n".join(lines)


def _branch(item: Mapping[str, Any], generation: int, *, last: bool) -> list[str]:
    mark = "!" if item["type"] in _BAD_WHEN_TRUE else _MARKS[item["status"]]
    corner, bar = ("└─", "  ") if last else ("├─", "│ ")
    return [
        f"{corner} {mark} {item['type']}  {item['reason']}{_stale(item, generation)}",
        f"{bar}     {item['message']}",
    ]


def _stale(said: Mapping[str, Any], generation: int) -> str:
    seen = said.get("observedGeneration")
    return "" if seen in (None, generation) else f"  (of generation {seen}, the spec is at {generation})"
