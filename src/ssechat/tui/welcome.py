"""What an empty tab says: who answers, why, and what else was found."""

from __future__ import annotations

from ssechat.core.errors import Problem
from ssechat.core.safe import clean_line
from ssechat.profiles import Choice
from ssechat.tui.desk import Desk

_HINT = (
    "Type a message and press enter. escape stops, ctrl+r tries again, F6 resumes, ctrl+n opens a"
    " tab, F2 lists all conversations, ctrl+l chooses who answers, F1 shows every key."
)


async def welcome(desk: Desk, choice: Choice) -> None:
    """Greet in the empty tab, start the demo if it answers, then look for servers on loopback."""
    tab = desk.tab
    if tab.conversation is None:
        who = f"{choice.profile.name} ({choice.profile.model})" if choice.profile else "the demo"
        tab.say("who", f"{clean_line(who, 80)} answers: {clean_line(choice.why, 200)}")
        for other in choice.others:
            tab.say(f"key-{other.name}", f"{other.api_key_env} is set too; ctrl+l changes over")
        tab.say("hint", _HINT)
    if choice.profile is None:
        try:
            await desk.session.demo()
        except Problem as problem:
            tab.say("demo", str(problem), "error")
    for found in await desk.session.probe():
        where = clean_line(found.profile.base_url, 60)
        if tab.conversation is None:
            tab.say(f"found-{where}", f"{found.product} runs at {where}; ctrl+l to use it")
