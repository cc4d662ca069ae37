"""Writes the catalogue's index from the bundles in `zoo/models`: `python -m serving.catalogue`."""

import sys

from serving.catalogue import INDEX, MODELS
from serving.catalogue.build import rewrite
from serving.errors import GenzooError


def main() -> int:
    """Write the index and say what is in it; return the exit code."""
    try:
        index = rewrite(INDEX, MODELS)
    except GenzooError as error:
        print(f"genzoo: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{INDEX}: {len(index.models)} models: {', '.join(index.models)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
