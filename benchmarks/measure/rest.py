"""When a browser has nothing to do."""

import time

from playwright.sync_api import Browser, CDPSession

LOOK = 0.2
"""Seconds from one look to the next."""

REST = 0.1
"""Of one core, for all processes together: a cursor that blinks, a poll."""

PATIENCE = 60
"""Seconds."""


def wait_for_rest(browser: Browser) -> None:
    """Until none of the browser's processes works, seen twice.

    After it has opened a page, Chromium starts the process of the next one. Whatever is measured meanwhile has half of
    a machine with two cores, which nobody has who has had a page open for a second.
    """
    session = browser.new_browser_cdp_session()
    end = time.monotonic() + PATIENCE
    still = 0
    before = cpu(session)
    while still < 2:
        if time.monotonic() > end:
            raise TimeoutError(f"the browser had something to do for {PATIENCE} seconds")
        time.sleep(LOOK)
        now = cpu(session)
        used = sum(seconds - before.get(process, 0) for process, seconds in now.items())
        still = still + 1 if used <= REST * LOOK else 0
        before = now
    session.detach()


def cpu(session: CDPSession) -> dict[int, float]:
    """Of each process, the seconds that it has worked."""
    return {process["id"]: process["cpuTime"] for process in session.send("SystemInfo.getProcessInfo")["processInfo"]}
