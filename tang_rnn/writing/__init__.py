"""How a poem is written: what was asked, the search for it, the choice among candidates."""
