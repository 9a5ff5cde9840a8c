"""Tools of a server, for tests."""


def count(word: str) -> dict[str, int]:
    """How many letters a word has."""
    return {"letters": len(word)}


def erase(place: str) -> str:
    """Erase a place, which nobody may do unasked."""
    return f"{place} is empty"
