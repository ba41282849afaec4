"""The command line: one file per command, each a typed dataclass whose fields are its options."""

from forethought.extras import require_extra

require_extra("train")
