"""The Python interface: what ``import tracer`` gives, and what its functions are asked about."""
