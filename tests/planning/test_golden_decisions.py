"""Every kind of agent decides what it decided before: actions, costs, model calls, subgoals, over three decisions."""

from __future__ import annotations

from typing import Any

import pytest

from agent_fixtures import AGENTS, decisions
from golden_values import check_golden, summary


@pytest.mark.parametrize("kind", AGENTS)
def test_decisions(kind: str) -> None:
    """The agents are trained for a dozen steps: tolerances allow for what rounding does to them on another machine."""
    agent, found = AGENTS[kind](), dict[str, Any]()
    for mode in ("react", "plan", "auto"):
        for number, decision in enumerate(decisions(agent, [0, 3], mode)):
            found[f"{mode} {number}"] = {
                "actions": decision.actions.round(4), "planned": decision.planned, "calls": decision.calls,
                "costs": {} if mode == "react" else {"energy": decision.plan.energy, "states": summary(decision.plan.states)},
                "subgoal": None if decision.route is None else summary(decision.route.subgoal),
            }  # fmt: skip
    check_golden(f"decisions_{kind.replace(' ', '_')}", found, relative=2e-3, absolute=2e-3)
