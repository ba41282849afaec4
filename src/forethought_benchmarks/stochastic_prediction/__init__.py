"""`futures`: worlds that can go several ways, imagined in all of them; measured against branches that are known."""
