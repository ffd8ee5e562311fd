from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ssechat.link import Clients


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    clients = Clients()
    yield clients
    await clients.close()
