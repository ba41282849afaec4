"""Every setting that a user may set, with its values, default and sentence: for `forethought settings` and the documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from forethought.config.base import Settings, shown
from forethought.config.configuration import LIFETIMES, Configuration, kinds, tags
from forethought.errors import ForethoughtError, did_you_mean

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


@dataclass(frozen=True)
class SettingInfo:
    """One setting.

    Fields:
        name: dotted, as `--set` takes it. values: type and range. default: as people read it. sentence: what it does.
        kinds: the kinds of its group that have it; empty where the group has one kind.
    """

    name: str
    values: str
    default: str
    sentence: str
    kinds: tuple[str, ...] = ()


def every_setting(prefix: str = "") -> list[SettingInfo]:
    """The settings whose dotted names begin with a prefix, in the order of their groups.

    Raises:
        ForethoughtError: none begins so.

    >>> [info.name for info in every_setting("planner.risk")][:2]
    ['planner.risk.num_scenarios', 'planner.risk.measure']
    """
    every = list(_walk(Configuration.model_validate({"data": _NOTHING}), LIFETIMES))
    infos = [info for info in every if info.name.startswith(prefix)]
    if not infos:
        names = {info.name for info in every} | {info.name.rpartition(".")[0] for info in every}
        raise ForethoughtError(f"No setting begins with '{prefix}': {did_you_mean(prefix, names)}")
    return infos


def _walk(group: Settings, names: Any, path: str = "") -> Iterator[SettingInfo]:
    for name in names:
        field, default = type(group).model_fields[name], getattr(group, name)
        where = f"{path}{name}"
        if members := kinds(type(group), name):
            yield from _kinds(where, members, default)
        elif isinstance(default, Settings):
            yield from _walk(default, type(default).model_fields, f"{where}.")
        else:
            yield SettingInfo(where, _values(field), shown(default), _sentence(field))


def _kinds(where: str, members: list[type[Settings]], default: Settings) -> Iterator[SettingInfo]:
    """The settings of a group that has several kinds, each setting once."""
    by_name: dict[str, list[type[Settings]]] = {}
    for member in members:
        for name in member.model_fields:
            by_name.setdefault(name, []).append(member)
    names = {member: tags(member) or ("your own",) for member in members}
    every = [tag for member in members for tag in names[member]]
    yield SettingInfo(f"{where}.kind", ", ".join(every), shown(getattr(default, "kind", "")), "Picks the kind.")
    for name, having in by_name.items():
        if name == "kind":
            continue
        field = having[0].model_fields[name]
        value = getattr(default, name, field.default)
        only = () if len(having) == len(members) else tuple(tag for member in having for tag in names[member])
        yield SettingInfo(f"{where}.{name}", _values(field), shown(value), _sentence(field), only)


def _values(field: FieldInfo) -> str:
    """Type and range in words."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    optional = type(None) in get_args(annotation)
    bare = next((each for each in get_args(annotation) if each is not type(None)), annotation) if optional else annotation
    known: dict[Any, str] = {int: "integer", float: "number", bool: "true or false", str: "name"}
    words = known.get(bare, "weights by name")
    for bound in field.metadata:
        for kind, sign in ((Ge, ">="), (Gt, ">"), (Le, "<="), (Lt, "<")):
            if isinstance(bound, kind):
                words += f" {sign} {getattr(bound, kind.__name__.lower()):g}"
    return f"{words}, or null" if optional else words


def _sentence(field: FieldInfo) -> str:
    assert field.description, "tests/config/test_settings.py holds that every setting has a sentence"
    return field.description


def markdown() -> str:
    """The table of the documents."""
    rows = ["| setting | values | default | what it does |", "|---|---|---|---|"]
    for info in every_setting():
        only = f" ({', '.join(info.kinds)})" if info.kinds else ""
        values = info.values.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
        rows.append(f"| `{info.name}` | {values} | {info.default} | {info.sentence}{only} |")
    return "\n".join(rows)


def rewrite(page: Path) -> None:
    """Put the table between the marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{markdown()}\n{END}{rest.partition(END)[2]}")


_NOTHING = {
    "world": "none",
    "streams": (),
    "action_kind": "continuous",
    "action_size": 1,
    "low": (-1.0,),
    "high": (1.0,),
    "block": 1,
}

if __name__ == "__main__":
    rewrite(Path("docs/reference/config.md"))
