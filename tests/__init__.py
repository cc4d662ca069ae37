import serving.runtime  # noqa: F401, which keeps ONNX Runtime from telemetry
