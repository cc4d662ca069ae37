"""From checked bytes to sessions: the only rooms that know ONNX Runtime.

ONNX Runtime sends telemetry, and leaves a device id and a database in the home folder, unless the
environment forbids it before it is imported. So whoever imports it imports this package first, and
the processes that it starts inherit what is set here.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
