"""Loading what the first answer needs, before there is one."""

from __future__ import annotations

from ssechat.tui.markdown import Document

_SAMPLE = """\
# a

*b* [c](d) `e`

```python
f = 1
```
"""


def warm_up() -> None:
    """Takes about a tenth of a second, most of it imports; to be called in a thread."""
    document = Document()
    document.feed(_SAMPLE)
    document.finish()
    document.lines(80)
