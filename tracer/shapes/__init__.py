"""A network and the sizes of its symbols to the shape of every node."""
