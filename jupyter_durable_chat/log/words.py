"""Words as the search knows them: without letter case, accents and punctuation, the same in every log."""

import re
import unicodedata


def words_of(text: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain)
