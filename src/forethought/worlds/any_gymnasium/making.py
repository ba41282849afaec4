"""One Gymnasium environment by its id."""

from __future__ import annotations

import difflib
import warnings
from typing import Any

import gymnasium

from forethought.errors import ForethoughtError

NEEDS_EXTRA = "World {name!r} needs the [worlds] extra: run `make worlds`, or pip install '.[worlds]' in the clone."


def make_environment(name: str, /, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """`gymnasium.make` without Gymnasium's time limit and checker; Forethought has its own.

    Raises:
        ForethoughtError: unknown id, missing package, or the environment does not start.
    """
    try:
        with warnings.catch_warnings():
            # Third-party packages warn at import about their own dependencies; the user cannot fix these.
            warnings.simplefilter("ignore")
            return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except ImportError as error:
        raise ForethoughtError(
            f"World {name!r} needs a package that is not installed ({error.name or error}): pip install it."
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise ForethoughtError(f"World {name!r} needs a package that is not installed: {error}.") from error
    except gymnasium.error.UnregisteredEnv as error:
        near = difflib.get_close_matches(name, gymnasium.registry, n=1)
        hint = f" did you mean '{near[0]}'?" if near else ""
        raise ForethoughtError(
            f"Unknown world {name!r}: it is not in Gymnasium's registry; for a package that registers its environments at "
            f"import, write 'package:Env-v0';{hint or ' `forethought worlds` lists the known names.'}"
        ) from error
    except Exception as error:
        raise ForethoughtError(f"World {name!r} does not start: {type(error).__name__}: {error}.") from error
