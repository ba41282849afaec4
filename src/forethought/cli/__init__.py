"""The command line: one thin file per verb, each a typed dataclass whose fields are its options."""
