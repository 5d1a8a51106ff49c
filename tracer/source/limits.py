"""Floor 1: how large a config may be. Everything above is refused with T006, never attempted."""

FILE_BYTES = 8 * 2**20
"""Bytes of one config file."""

DEPTH = 40
"""Nesting of YAML collections."""

YAML_NODES = 2_000_000
"""Scalars and collections in one file."""

VALUES = 20_000
"""Numbers and texts in one argument, aliases followed."""

GRAPH_NODES = 250_000
"""Nodes of the expanded network."""

BLOCK_DEPTH = 24
"""Blocks used inside blocks."""

BLOCK_USES = 250_000
"""Block uses in the expanded network, those of empty blocks included."""

DIGITS = 30
"""Digits of a number."""

EXPRESSION = 2_000
"""Characters of one ${...}."""

EXPRESSION_DEPTH = 40
"""Nesting of one ${...}."""

INTEGER = 2**63 - 1
"""Absolute value of an integer."""

LIST = 10_000
"""Length of a list that an expression makes."""

DIMS = 64
"""Dims of an input or of an expectation."""
