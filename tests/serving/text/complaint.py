"""What is said of a mistake."""

import pytest

from serving.errors import GenzooError


def complaint(call, *args, **kwargs):
    with pytest.raises(GenzooError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)
