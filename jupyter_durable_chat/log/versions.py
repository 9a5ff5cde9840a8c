"""What is said of a store that another version of this package has written, in whatever it is kept.

The schema of a store counts the steps that it has taken. It speaks of all that is in it: of tables, and of what events
and snapshots may say. So a store is used by those versions only that know every step which it has taken, and by none
that would pass over what it does not understand, and write down what is left.
"""

from jupyter_durable_chat.log import LogUnavailable


class Newer(LogUnavailable):
    """The store has taken steps that this version does not know. `elsewhere` is what else one could choose."""

    def __init__(self, taken: int, known: int, elsewhere: str) -> None:
        super().__init__(
            f"a newer version of jupyter-durable-chat wrote it (schema {taken}; this version knows {known}). "
            f"Upgrade jupyter-durable-chat, or choose another {elsewhere}."
        )


class Older(LogUnavailable):
    """It has not taken all the steps that this version knows, and whoever opened it only reads."""

    def __init__(self, taken: int, known: int) -> None:
        super().__init__(
            f"an older version of jupyter-durable-chat wrote it (schema {taken}; this one knows {known}). "
            "Start Jupyter with this version once: that brings it up to date."
        )


class Outdated(LogUnavailable):
    """It was brought up to date by a newer version while this process had it open."""

    def __init__(self, taken: int, known: int) -> None:
        super().__init__(
            f"a newer version of jupyter-durable-chat has brought it up to date (schema {taken}; this process knows "
            f"{known}). Restart Jupyter, so that it runs the newer version, too."
        )
