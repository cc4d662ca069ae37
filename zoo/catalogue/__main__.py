"""Rewrites the catalogue's index from the bundles in `zoo/models`: `python -m zoo.catalogue`."""

import sys

from zoo.catalogue import INDEX
from zoo.catalogue.build import rewrite
from zoo.errors import GenzooError
from zoo.hub import MODELS


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
