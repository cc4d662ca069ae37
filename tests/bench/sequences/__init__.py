"""Music and gaps in texts, as fast as plain ONNX Runtime computes them on the same graph."""
