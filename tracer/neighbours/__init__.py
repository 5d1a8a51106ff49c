"""Networks in the files of neighbouring tools, a file per kind; the kinds are told by :mod:`tracer.network.foreign`."""
