"""What is written about the product is true."""

from scripts.settings import PAGE, page


def test_every_setting_is_documented() -> None:
    assert PAGE.read_text() == page(), "run: python scripts/settings.py"
