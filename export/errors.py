"""The error of this package."""

from serving.errors import GenzooError


class ExportError(GenzooError):
    """A model that cannot be exported, or an export that does not match its model.

    Nothing is left behind: a bundle is written whole or not at all.
    """
