"""From checked bytes to sessions: the only rooms that know ONNX Runtime."""
