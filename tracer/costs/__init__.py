"""Parameters, multiply-accumulates and memory."""
