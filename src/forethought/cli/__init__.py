"""The command line: one file per command, each a typed dataclass whose fields are its options."""
