"""``python -m tracer`` and the ``tracer`` command."""

from tracer.commands import main

if __name__ == "__main__":
    main()
