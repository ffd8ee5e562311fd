"""What the tests of the interface share."""

from __future__ import annotations

from itertools import repeat

import pytest

from ssechat.tui.transcript.reading import Allowance


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading has all the time that it takes, on however busy a machine; but where that is what is
    tested."""
    if "reading" not in request.path.name:
        monkeypatch.setattr(Allowance, "steps", lambda _: repeat(None))
