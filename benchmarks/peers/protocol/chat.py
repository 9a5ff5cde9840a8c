"""What jupyter-chat sends to one reader of an answer, as it is installed beside this: with RTC, a token is an update.

    python chat.py < TOKENS

Reads a JSON list of tokens, and prints how many bytes a reader's WebSocket is sent for them. The document is
jupyter-chat's own; a piece is added as its agents add them (`update_message(…, append=True)`), and each update is put
into a message of the protocol between Yjs documents, as jupyter-collaboration sends it. Nothing else is counted.
"""

import json
import sys

from jupyterlab_chat.models import NewMessage  # pyright: ignore[reportMissingImports]
from jupyterlab_chat.ychat import YChat  # pyright: ignore[reportMissingImports]
from pycrdt import Doc, create_update_message  # pyright: ignore[reportMissingImports]


def main() -> None:
    tokens: list[str] = json.load(sys.stdin)
    chat, reader = YChat(), Doc()
    message_id = chat.add_message(NewMessage(body="", sender="model"))
    reader.apply_update(chat.ydoc.get_update())
    sent = 0

    def send(event) -> None:
        nonlocal sent
        sent += len(create_update_message(event.update))
        reader.apply_update(event.update)

    chat.ydoc.observe(send)
    for token in tokens:
        message = chat.get_message(message_id)
        message.body = token
        chat.update_message(message, append=True)
    assert chat.get_message(message_id).body == "".join(tokens)
    print(sent)


if __name__ == "__main__":
    main()
