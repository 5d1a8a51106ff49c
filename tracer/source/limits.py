"""The largest config that is read. Everything above is refused with T006, never attempted."""

FILE_BYTES = 8 * 2**20
"""Bytes of one config file."""

DEPTH = 40
"""Nesting of YAML collections."""

LAYERS = 20_000
"""Layers that one file writes in its sections; blocks and ``repeat`` make more of them, up to ``GRAPH_NODES``."""

YAML_NODES = 20 * LAYERS
"""Scalars and collections in one file, some 8 for a layer: more are no network."""

SEPARATORS = 1_000_000
"""Commas, colons, line ends and openings in one file: so many stand between more values than a file may have."""

MERGED_KEYS = 100_000
"""Keys that merge keys (``<<``) bring in, all together."""

VALUES = 20_000
"""Numbers and texts in one value, aliases followed."""

ARGUMENT = 1_000
"""Numbers and texts in one argument of an operation."""

GRAPH_NODES = 150_000
"""Nodes of the expanded network."""

EDGES = 1_000_000
"""Edges of the expanded network."""

NAMES = 1_000
"""Params of a config, arguments of a block."""

BLOCK_DEPTH = 24
"""Blocks used inside blocks."""

BLOCK_USES = 100_000
"""Block uses in the expanded network, one inside of another."""

DIGITS = 30
"""Digits of a number."""

EXPRESSION = 2_000
"""Characters of one ${...}."""

EXPRESSION_DEPTH = 40
"""Nesting of one ${...}."""

INTEGER = 2**63 - 1
"""Absolute value of an integer."""

LIST = 1_000
"""Values in a list that an expression makes, those of lists inside of it included."""

TEXT = 10_000
"""Characters of a text that expressions make."""

TERMS = 100
"""Terms of a polynomial over symbols that an expression makes."""

DIMS = 64
"""Dims of an input or of an expectation."""

CHUNKS = 1_000
"""Parts of one Chunk."""

FAULTS = 200
"""Faults of one file that are reported; the rest is when these are fixed."""
