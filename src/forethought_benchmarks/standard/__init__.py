"""`standard`: the field's own tasks from pixels, by the documented commands, in the peers' protocol."""
