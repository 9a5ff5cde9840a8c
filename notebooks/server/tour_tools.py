"""Tools of the server for the tour: one that works, one that asks an agent, and one of two phases."""

import asyncio
from typing import Any

from jupyter_durable_chat.tools import Context, Suspended
from jupyter_durable_chat.tools.function import TwoPhaseFunction, tool


@tool(read_only=True)
async def count_words(text: str, context: Context) -> dict[str, int]:
    """Count the words of a text.

    :param text: the text
    """
    counts: dict[str, int] = {}
    words = text.lower().split()
    for place, word in enumerate(words, 1):
        counts[word] = counts.get(word, 0) + 1
        context.progress(place, len(words), word)
        await asyncio.sleep(0.1)  # so that one can see it work
    context.log(f"{len(counts)} different words")
    return counts


@tool(read_only=True)
async def ask_colleague(question: str, context: Context) -> str:
    """Ask another agent, which answers inside of this call.

    :param question: what to ask
    """
    return await context.run_agent("demo", question)


def reserve(room: str) -> Suspended:
    """Book a room: first it is reserved, then the person confirms it.

    :param room: the name of the room
    """
    question = {"id": "sure", "question": f"Book {room}?", "options": [{"label": "Yes"}, {"label": "No"}]}
    return Suspended({"room": room, "reservation": 42}, arguments={"questions": [question]})


def book(kept: Any, answer: Any) -> str:
    """The first phase is not run again, whatever was restarted meanwhile: what it kept is in the log."""
    if answer["action"] == "accept" and answer["answers"]["sure"] == "Yes":
        return f"{kept['room']} is booked, number {kept['reservation']}."
    return f"The reservation {kept['reservation']} of {kept['room']} is given back."


TOOLS = [count_words, ask_colleague, TwoPhaseFunction(reserve, book, name="book_room")]
