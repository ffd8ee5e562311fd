"""What every overlay shares: escape closes it, and it never covers more than it must."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Overlay(ModalScreen[Result]):
    """A panel over the conversation; `dismiss` gives its result.

    Bindings of keys that close it, or that go by what was typed, have `priority`: the app runs them
    before it looks at the next key. Without it a key goes through the queue of each widget around
    the focused one, and the rest of its burst to an overlay that is about to close.
    """

    AUTO_FOCUS = "*"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close", priority=True)]
    DEFAULT_CSS = """
    Overlay {
        align: center middle;
        & > Vertical {
            width: 84;
            max-width: 100%;
            height: auto;
            max-height: 90%;
            background: $surface;
            padding: 1 2;
        }
        .title { text-style: bold; color: $text; }
        .hint { color: $text-muted; margin-top: 1; }
        Input, Input:focus {
            border: none; background: $panel; padding: 0 1; height: 1; margin: 1 0;
        }
        OptionList {
            border: none; background: $surface; height: auto; max-height: 20; padding: 0;
            scrollbar-size-vertical: 1;
        }
        &.-low {
            & > Vertical { max-height: 100%; padding: 0 1; }
            Input, Input:focus { margin: 0; }
            .hint { display: none; }
        }
    }
    """
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-tall")]  # noqa: RUF012

    _dismissed = False

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close, once: a key that comes twice in one burst finds the overlay closing already."""
        if self._dismissed or not self.is_current:
            return AwaitComplete.nothing()  # type: ignore[no-any-return, no-untyped-call]
        self._dismissed = True
        return super().dismiss(result)

    def action_close(self) -> None:
        self.dismiss(None)
