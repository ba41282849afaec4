"""Recovery rules: what a training does otherwise once its state was found dead.

A rule is one function; its docstring names the measurement that it reads. It sets attributes of the builder inside
`with builder.because(...)`, as the rules before training do, and of `training` only: the shapes of the weights stay. What the
rules rest on is in docs/lab-notes, 2026-11-30: a training that changes its objective.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from forethought.config import Configuration, ObjectiveChange, shown
from forethought.config.configuration import lookup
from forethought.configurator.config_builder import ConfigBuilder
from forethought.errors import ForethoughtError

MOST_CHANGES = 3
"""A training is begun anew so many times at most."""


@dataclass(frozen=True)
class StateAlarm:
    """A measurement for which a training is given up.

    Fields:
        kind: `constant`: the states of different observations are almost equal, and were not pulled apart; `uninformative`: the
            state tells less than random features do, of what changes in an episode and of the action; `diverged`: NaN or
            infinity in the loss or its gradient.
        phase, step: of training. seconds: spent on it. sentence: what was measured.
    """

    kind: Literal["constant", "uninformative", "diverged"]
    phase: str
    step: int
    seconds: float
    sentence: str


class NoRecoveryError(ForethoughtError):
    """No rule helps against an alarm. `asked`: whether one would, and changes what the user has set."""

    def __init__(self, message: object = "", asked: bool = False) -> None:
        """`message`: one sentence or two."""
        super().__init__(message)
        self.asked = asked


RecoveryRule = Callable[[ConfigBuilder], None]


def unit_scale(builder: ConfigBuilder) -> None:
    """Reads that the states are almost constant: starts from untrained states of unit variance."""
    with builder.because(
        "the gradient of inverse dynamics grows as states shrink and leaves none of the clipped gradient to the variance term, "
        "so the training begins at unit scale"
    ):
        builder.training.loss.lsuv_init = True


def strong_variance(builder: ConfigBuilder) -> None:
    """Reads that the states are almost constant: weighs VICReg's terms more than what shrinks the states."""
    loss = builder.training.loss
    with builder.because("at equal weights the variance term lost against the other terms"):
        loss.variance = max(10.0, loss.variance)
        loss.covariance = max(1.0, loss.covariance)


def normality(builder: ConfigBuilder) -> None:
    """Reads that VICReg did not help: SIGReg in its place."""
    loss = builder.training.loss
    with builder.because("VICReg's hinge did not hold the states apart, and SIGReg's test also sees the whole distribution"):
        loss.sigreg = max(1.0, loss.sigreg)
        loss.variance, loss.covariance, loss.within_episode_variance = 0.0, 0.0, 0.0


def tell_the_action(builder: ConfigBuilder) -> None:
    """Reads that neither action nor change is told: weighs inverse dynamics."""
    with builder.because("without inverse dynamics the state encodes what is constant in an episode and not the agent"):
        builder.training.loss.inverse_dynamics = max(10.0, builder.training.loss.inverse_dynamics)


def vary_within_episodes(builder: ConfigBuilder) -> None:
    """Reads that neither action nor change is told: asks for variance within episodes, and for no contrast between them."""
    loss = builder.training.loss
    with builder.because(
        "contrast between episodes and variance over a batch are also had from what is constant in an episode"
    ):
        loss.episode_infonce = 0.0
        loss.within_episode_variance = max(1.0, loss.within_episode_variance)


def steady_targets(builder: ConfigBuilder) -> None:
    """Reads that neither action nor change is told: an EMA encoder gives the prediction's targets."""
    loss = builder.training.loss
    with builder.because("an encoder that gives its own targets makes prediction easy by dropping what is hard to predict"):
        loss.ema = max(0.8, loss.ema)


def lower_rate(builder: ConfigBuilder) -> None:
    """Reads that a loss or a gradient was not finite: lowers the learning rate."""
    with builder.because("smaller steps stay where the loss is finite"):
        builder.training.learning_rate = builder.training.learning_rate / 3


RECOVERY: Mapping[str, Sequence[RecoveryRule]] = MappingProxyType(
    {
        "constant": (unit_scale, strong_variance, normality),
        "uninformative": (tell_the_action, vary_within_episodes, steady_targets, normality),
        "diverged": (lower_rate,),
    }
)
"""Kind of alarm -> rules in order. The first one that changes a setting is taken."""


def recovered(configuration: Configuration, alarm: StateAlarm) -> Configuration:
    """The configuration of the next training, with the reasons of what is changed, and the history of this one.

    Raises:
        NoRecoveryError: no rule is left, or `MOST_CHANGES` are made, or what is left would change settings that the user set.
    """
    if len(configuration.history) >= MOST_CHANGES:
        raise NoRecoveryError(f"{_stopped(alarm)} {_tried(configuration)} {_ADVICE[alarm.kind]}")
    asked: dict[str, Any] = {}
    for rule in RECOVERY[alarm.kind]:
        builder = _RecoveryBuilder(configuration, alarm)
        rule(builder)
        if builder.changes and not builder.asked_for:
            return builder.recovered()
        asked |= builder.asked_for
    if asked:
        given = ", ".join(f"{name} = {shown(value)}" for name, value in asked.items())
        raise NoRecoveryError(
            f"{_stopped(alarm)} The configurator would change {', '.join(asked)}, but you set {given}: leave "
            f"{'it' if len(asked) == 1 else 'them'} to the configurator, in a new run.",
            asked=True,
        )
    raise NoRecoveryError(f"{_stopped(alarm)} {_tried(configuration)} {_ADVICE[alarm.kind]}")


_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "constant": "Look at the episodes (`forethought show STORE`), or set training.loss yourself.",
        "uninformative": "Record other episodes, train longer, or set training.loss yourself.",
        "diverged": "Start a new run with a lower training.learning_rate, or look for extreme values in the episodes.",
    }
)


def _stopped(alarm: StateAlarm) -> str:
    return f"Training stops in phase '{alarm.phase}' at step {alarm.step}, to train nothing upon such a state: {alarm.sentence}"


def _tried(configuration: Configuration) -> str:
    changes = [change for one in configuration.history for change in one.changes]
    return f"Tried before: {', '.join(changes)}." if changes else "No other objective is known for it."


class _RecoveryBuilder(ConfigBuilder):
    """Begins with a configuration; notes what is changed, and what the user has set.

    Attributes: changes: setting -> value before. asked_for: setting of the user's -> its value.
    """

    def __init__(self, configuration: Configuration, alarm: StateAlarm) -> None:
        super().__init__({})
        self.configuration, self.alarm = configuration, alarm
        self.values = {name: getattr(configuration, name) for name in self.values}
        self.reasons = {reason.setting: reason for reason in configuration.reasons}
        self.changes: dict[str, Any] = {}
        self.asked_for: dict[str, Any] = {}
        self.why = ""

    def assign(self, setting: str, value: Any) -> None:
        """Set a value where it is another one and the user left the setting to the configurator."""
        before = lookup(self._whole(), setting)
        if value == before:
            return
        if self.asked(setting):
            self.asked_for[setting] = before
            return
        assert self._reason is not None
        self.changes[setting], self.why = before, self._reason
        self._reason = f"it was {shown(before)}, and after step {self.alarm.step} {self.alarm.sentence.rstrip('.')}: {self.why}"
        super().assign(setting, value)
        self._reason = self.why

    def recovered(self) -> Configuration:
        """The configuration with these changes and their history."""
        alarm, whole = self.alarm, self._whole()
        change = ObjectiveChange(
            phase=alarm.phase,
            step=alarm.step,
            seconds=alarm.seconds,
            alarm=alarm.sentence,
            changes=tuple(f"{name}: {shown(value)} -> {shown(lookup(whole, name))}" for name, value in self.changes.items()),
            because=self.why,
        )
        history = (*self.configuration.history, change)
        return self.build(self.configuration.data).model_copy(update={"history": history})
