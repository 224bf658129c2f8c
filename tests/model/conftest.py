"""Networks differ with the processor that a test pretends: each test here opens its base anew."""

import pytest

from voiceswap.model import base


@pytest.fixture(autouse=True)
def opened_anew():
    base._share.cache_clear()
    yield
    base._share.cache_clear()
