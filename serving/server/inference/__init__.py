"""The Open Inference Protocol, version 2, with the extensions that clients of Triton use."""
