"""ONNX files to networks."""
