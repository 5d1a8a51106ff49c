"""``python -m tracer`` and the ``tracer`` command."""

from shape_tracer import main

if __name__ == "__main__":
    main()
