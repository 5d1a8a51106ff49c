"""Values for every ``auto``: an exact search, for one set of input sizes or for all that are promised."""
