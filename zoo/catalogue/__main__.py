"""Rewrites the catalogue's index from the bundles in `zoo/models`: `python -m zoo.catalogue`."""

import sys

from zoo.catalogue import INDEX
from zoo.catalogue.build import build, to_json
from zoo.errors import GenzooError
from zoo.files import replacing
from zoo.hub import MODELS


def main() -> int:
    """Write the index and say what is in it; return the exit code."""
    try:
        index = build(MODELS)
    except GenzooError as error:
        print(f"genzoo: {error}", file=sys.stderr)
        return error.exit_code
    with replacing(INDEX) as temporary:
        temporary.write_text(to_json(index), encoding="utf-8")
    print(f"{INDEX}: {len(index.models)} models: {', '.join(index.models)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
