"""What a person sees and does in a browser, in words: open, run, save, restart the kernel, ask, read.

Nothing here sleeps: every wait is for a state that the page shows. A watcher in each page looks at every painted frame,
so that a word that was doubled, out of place or taken back for one frame only is found too.
"""

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import Jupyter

CHAT_CELL = "from jupyter_durable_chat import Chat\nchat = Chat()\nchat"

PANEL = "window.jupyterapp?.shell?.currentWidget"
RUN_CELL = """(() => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  return jupyterapp.commands.execute('notebook:run-cell');
})();"""

WATCHER = """
(() => {
  const faults = (window.__faults = []);
  const shown = new Map();
  const look = () => {
    for (const message of document.querySelectorAll('[data-session] [data-role="assistant"][data-message-id]')) {
      const text = [...message.querySelectorAll('.jdc-text')].map((part) => part.textContent).join(' ');
      const words = text.split(/\\s+/).filter((word) => /^w\\d+$/.test(word));
      const wrong = words.findIndex((word, index) => word !== `w${index + 1}`);
      if (wrong >= 0) faults.push(`${words[wrong]} stands where w${wrong + 1} belongs`);
      const cell = message.closest('.jp-Cell')?.dataset.watched ?? '';
      const key = `${cell}/${message.dataset.messageId}`;
      if (words.length < (shown.get(key) ?? 0)) faults.push(`went back from ${shown.get(key)} to ${words.length} words`);
      shown.set(key, words.length);
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


class NotebookPage:
    """One notebook, open in one tab of JupyterLab or Notebook 7."""

    def __init__(self, page: Page, jupyter: Jupyter, notebook: str) -> None:
        self.page = page
        self.jupyter = jupyter
        self.notebook = notebook
        page.add_init_script(WATCHER)
        page.on("dialog", lambda dialog: dialog.accept())

    def open(self) -> "NotebookPage":
        """Returns when the notebook is drawn and its kernel is connected."""
        place = "lab/tree" if self.jupyter.app == "lab" else "notebooks"
        self.page.goto(f"{self.jupyter.url}{place}/{self.notebook}?token={self.jupyter.token}")
        return self.ready()

    def reload(self) -> "NotebookPage":
        self.page.reload()
        return self.ready()

    def ready(self) -> "NotebookPage":
        self.drawn()
        self.page.wait_for_function(f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'")
        return self

    def drawn(self) -> "NotebookPage":
        """Returns when the cells are on the page, whatever the kernel is doing."""
        expect(self.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
        self.page.wait_for_function(f"{PANEL}?.content?.widgets?.length > 0")
        return self

    def run(self, index: int = 0) -> None:
        """Run one cell and go on at once."""
        self.page.evaluate(f"index => {{ {RUN_CELL} }}", index)

    def run_to_end(self, index: int = 0) -> None:
        """Run one cell and wait until the kernel has answered."""
        self.page.evaluate(f"index => {{ return {RUN_CELL} }}", index)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Run a command of the application to its end."""
        self.page.evaluate("([name, arguments]) => jupyterapp.commands.execute(name, arguments)", [name, arguments or {}])

    def save(self) -> None:
        self.command("docmanager:save")
        self.page.wait_for_function(f"!{PANEL}.context.model.dirty")

    def restart_kernel(self) -> None:
        before = self.page.evaluate(f"{PANEL}.sessionContext.session.kernel.id")
        self.page.evaluate("void jupyterapp.commands.execute('notebook:restart-kernel')")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.page.wait_for_function("() => !document.querySelector('.jp-Dialog')")
        self.page.wait_for_function(f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'")
        assert self.page.evaluate(f"{PANEL}.sessionContext.session.kernel.id") == before

    def shut_down_kernel(self) -> None:
        self.page.evaluate(f"{PANEL}.sessionContext.shutdown()")

    @property
    def chat(self) -> "ChatView":
        """The only chat on the page."""
        return ChatView(self.page.locator("[data-session]"))

    def chat_of(self, index: int) -> "ChatView":
        """The chat in the output of one cell."""
        return ChatView(self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator("[data-session]"))

    def assert_never_wrong(self) -> None:
        """No frame since the page was loaded showed a word out of place, twice, or taken back."""
        assert self.page.evaluate("window.__faults") == []




class ChatView:
    """A chat as it is drawn, read through the attributes that its root carries for everybody."""

    def __init__(self, root: Locator) -> None:
        self.root = root

    @property
    def session(self) -> str:
        value = self.root.get_attribute("data-session")
        assert value
        return value

    @property
    def answer(self) -> str:
        """The text of the last answer, white space evened out."""
        texts = self.root.locator("[data-role=assistant]").last.locator(".jdc-text").all_text_contents()
        return " ".join(" ".join(texts).split())

    def ask(self, question: str) -> None:
        self.root.locator("textarea.jdc-input").fill(question)
        self.root.locator("button.jdc-send").click()

    def wait_for_word(self, n: int) -> None:
        """Wait until the answer has got as far as `wN`."""
        expect(self.root.locator("[data-role=assistant]").last).to_contain_text(re.compile(rf"\bw{n}\b"))

    def wait_for_outcome(self, outcome: str = "completed") -> None:
        answer = self.root.locator("[data-role=assistant]").last
        expect(answer).to_have_attribute("data-outcome", outcome, timeout=40_000)

    def assert_exact(self, jupyter: Jupyter) -> None:
        """The root has counted no gap, has seen the whole log, and shows the text that the log holds."""
        events = jupyter.events(self.session)
        assert [event["lsn"] for event in events] == list(range(1, len(events) + 1))
        expect(self.root).to_have_attribute("data-last-lsn", str(len(events)))
        expect(self.root).to_have_attribute("data-gaps", "0")
        answer = jupyter.transcript(self.session)["messages"][-1]
        text = " ".join(part["text"] for part in answer["parts"] if part["type"] == "text")
        assert self.answer == " ".join(text.split())
