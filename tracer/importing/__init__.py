"""Networks that exist elsewhere, step by step, as configs. Knows nothing of torch or ONNX."""
