"""From the click on Send to the first word of the answer on the screen, in a real JupyterLab: the median of 30.

The demo agent answers. The clock is the page's own, and the first word counts when the frame with it has been painted.
"""

import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import running
from tests.browser.page import NotebookPage

ROUNDS = 30
LIMIT = 150

SEND_AND_WAIT = """
async (root) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const answers = () => [...root.querySelectorAll('[data-role=assistant]')];
  const before = answers().length;
  const first = () => answers()[before]?.querySelector('.jdc-text')?.textContent.trim();
  const start = performance.now();
  root.querySelector('button.jdc-send').click();
  await new Promise((done) => {
    const observer = new MutationObserver(() => first() && (observer.disconnect(), done()));
    observer.observe(root, { subtree: true, childList: true, characterData: true });
  });
  await painted();
  return performance.now() - start;
}
"""


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running("lab", Path(folder)) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        jupyter.write_notebook("a.ipynb", "from jupyter_durable_chat import Chat\nChat()")
        notebook = NotebookPage(browser.new_page(), jupyter, "a.ipynb").open()
        notebook.run()
        times = sorted(first_token(notebook) for _ in range(ROUNDS))
    median = statistics.median(times)
    print(f"send to first token visible, demo agent: median {median:.0f} ms of {ROUNDS} (limit {LIMIT} ms)")
    print(f"fastest {times[0]:.0f} ms, slowest {times[-1]:.0f} ms")
    if median > LIMIT:
        raise SystemExit("too slow")


def first_token(notebook: NotebookPage) -> float:
    """Milliseconds; the answer is stopped afterwards."""
    notebook.chat.root.locator("textarea.jdc-input").fill("What can you do?")
    took = notebook.chat.root.evaluate(SEND_AND_WAIT)
    notebook.chat.root.locator("button.jdc-stop").click()
    notebook.chat.wait_for_outcome("stopped")
    return took


if __name__ == "__main__":
    main()
