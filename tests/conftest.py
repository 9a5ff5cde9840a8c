"""What all tests share: pytest-jupyter's server fixtures, which also run coroutine tests; no deadlines by the clock."""

import hypothesis

pytest_plugins = ["pytest_jupyter.jupyter_server"]

hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")
