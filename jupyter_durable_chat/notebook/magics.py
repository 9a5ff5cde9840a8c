"""`%%chat`: a cell is a question, and its output is the answer, which arrives by itself.

`{expression}` in the question is the value of that expression in the notebook; `{{` and `}}` are braces. The line takes
`$name` as in every magic. The cell ends when the question is kept, not when the answer is there; one that comes while
another is answered waits for its turn, so a notebook of chat cells can be run at once.
"""

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.utils.text import FullEvalFormatter

from jupyter_durable_chat.notebook.attach import attached
from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.conversation import Conversation
from jupyter_durable_chat.notebook.turn import Turn

BRACES = "Braces hold an expression of this notebook; write {{ and }} for braces that are meant as such."


@magics_class
class ChatMagics(Magics):
    @magic_arguments()
    @argument("--session", default="", metavar="NAME", help="Another conversation of this notebook, by its name.")
    @argument("--model", help="Who answers this question: 'openai:gpt-5', 'anthropic:claude-sonnet-4-5', …")
    @argument("--agent", help="The agent that answers this question.")
    @argument("--mode", choices=("ask", "plan", "act"), help="What tools it may use: none, those that read, all.")
    @argument("--effort", help="How hard the agent is to think, in its own words.")
    @argument(
        "--attach",
        action="append",
        default=[],
        metavar="NAME",
        help="What goes with the question: a variable, 'cell:3', 'cell:last', 'output:3', or a file. May be repeated.",
    )
    @cell_magic
    def chat(self, line: str, cell: str) -> Turn:
        """Ask the model what the cell says; {expression} is replaced by its value, {{ and }} are braces."""
        options = parse_argstring(self.chat, line)
        conversation = Conversation(options.session)
        assert self.shell is not None
        question = interpolated(cell, dict(self.shell.user_ns)).strip()
        if not question:
            raise UsageError("This cell asks nothing: write the question below %%chat.")
        about = {name: getattr(options, name) for name in ("agent", "model", "mode", "effort")}
        try:
            sent = conversation.send(question, attached(options.attach), **about)
        except ChatError as error:  # a traceback through this package would tell the person nothing more
            raise UsageError(str(error)) from error
        return Turn(conversation, sent["turn_id"], sent["message_id"])


def interpolated(text: str, names: dict[str, Any]) -> str:
    """The text with the value of every `{expression}`, by the rules of IPython's `FullEvalFormatter`.

    Raises `UsageError` that quotes the expression without a value.
    """
    formatter = FullEvalFormatter()
    pieces: list[str] = []
    try:
        for literal, expression, after_colon, conversion in formatter.parse(text):
            pieces.append(literal)
            if expression is not None:
                whole = f"{expression}:{after_colon}" if after_colon else expression
                pieces.append(str(formatter.convert_field(_value(whole, names), conversion)))
    except ValueError as error:
        raise UsageError(f"{error}. {BRACES}") from error
    return "".join(pieces)


def _value(expression: str, names: dict[str, Any]) -> Any:
    try:
        return eval(expression, names)
    except Exception as error:  # the person's own code may raise anything
        raise UsageError(f"{{{expression}}} has no value: {type(error).__name__}: {error}. {BRACES}") from error
