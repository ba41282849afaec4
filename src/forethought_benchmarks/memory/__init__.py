"""`memory`: worlds whose present observation does not tell what comes next, with a belief and without one."""
