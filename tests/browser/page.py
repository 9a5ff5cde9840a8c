"""What a person sees and does in a browser, in words: open, run, save, restart the kernel, ask, read.

Nothing here sleeps: every wait is for a state that the page shows. A watcher in each page looks at every painted frame,
so that a word that was doubled, out of place or taken back for one frame only is found too.
"""

import re
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import App, Jupyter

CHAT_CELL = "from jupyter_durable_chat import Chat\nchat = Chat(agent='paced')\nchat"

MIME = "application/vnd.jupyter-durable-chat.v1+json"

PANEL = "window.jupyterapp?.shell?.currentWidget"
RUN_CELL = """(() => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  return jupyterapp.commands.execute('notebook:run-cell');
})();"""

WATCHER = Path(__file__).with_name("watcher.js")


class NotebookPage:
    """One notebook, open in one tab of JupyterLab or Notebook 7."""

    def __init__(
        self,
        page: Page,
        jupyter: Jupyter,
        notebook: str,
        *,
        app: App | None = None,
        port: int | None = None,
        watched: bool = True,
    ) -> None:
        self.page = page
        self.jupyter = jupyter
        self.notebook = notebook
        self._app = app or jupyter.app
        self._port = port or jupyter.port
        if watched:
            page.add_init_script(path=WATCHER)
        page.on("dialog", lambda dialog: dialog.accept())

    def open(self) -> "NotebookPage":
        """Returns when the cells are drawn, whatever the kernel is doing."""
        place = "lab/tree" if self._app == "lab" else "notebooks"
        base = f"http://127.0.0.1:{self._port}{self.jupyter.base_url}"
        # `reset`: without the tabs of the last visit.
        self.page.goto(f"{base}{place}/{self.notebook}?reset&token={self.jupyter.token}")
        return self._drawn()

    def reload(self) -> "NotebookPage":
        self.page.reload()
        return self._drawn()

    def _drawn(self) -> "NotebookPage":
        self.page.wait_for_function(f"{PANEL}?.context?.isReady && {PANEL}.content.widgets.length > 0")
        expect(self.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()
        return self

    def kernel_ready(self) -> None:
        self.page.wait_for_function(f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'")

    def kernel_busy(self) -> None:
        """Wait until the server says so: a loaded page may learn of it late, and the chat must not depend on that."""
        self.page.wait_for_function(
            "url => fetch(url).then(answer => answer.json()).then(kernels => kernels[0].execution_state === 'busy')",
            arg=f"{self.jupyter.base_url}api/kernels",
            polling=100,
        )

    @property
    def trusted(self) -> bool:
        """Whether Jupyter trusts the first cell."""
        return self.page.evaluate(f"{PANEL}.content.widgets[0].model.trusted")

    def write(self, source: str, index: int = 0) -> None:
        """Type into a cell."""
        self.page.evaluate(
            f"([source, index]) => {PANEL}.content.widgets[index].model.sharedModel.setSource(source)", [source, index]
        )

    def run(self, index: int = 0) -> None:
        """Run one cell and go on at once."""
        self.kernel_ready()
        self.page.evaluate(f"index => {{ {RUN_CELL} }}", index)

    def run_to_end(self, index: int = 0) -> None:
        """Run one cell and wait until the kernel has answered."""
        self.kernel_ready()
        self.page.evaluate(f"index => {{ return {RUN_CELL} }}", index)

    def command(self, name: str, options: dict[str, Any] | None = None) -> None:
        """Run a command of the application to its end."""
        self.page.evaluate("([name, options]) => jupyterapp.commands.execute(name, options)", [name, options or {}])

    def save(self) -> None:
        """Return when the file has everything; what is kept of an answer may come while it is saved."""
        save = "await jupyterapp.commands.execute('docmanager:save')"
        self.page.wait_for_function(f"async () => {{ {save}; return !{PANEL}.context.model.dirty }}")

    def wait_for_kept(self, lsn: int) -> None:
        """Return when the first cell's only output, which is a chat, was written into the notebook up to this LSN."""
        self.page.wait_for_function(
            f"""lsn => {{
              const outputs = {PANEL}.content.widgets[0].model.sharedModel.getOutputs();
              return outputs.length === 1 && outputs[0].data[{MIME!r}]?.lsn === lsn;
            }}""",
            arg=lsn,
            timeout=90_000,  # where several people have it open, each page leaves it to the others at first
        )

    def rename(self, name: str) -> None:
        """As a person does it, in the dialog of the application."""
        command = "application:rename" if self._app == "notebook" else "docmanager:rename"
        self.page.evaluate("command => void jupyterapp.commands.execute(command)", command)
        dialog = self.page.locator(".jp-Dialog")
        dialog.locator("input").fill(name)
        dialog.locator("button.jp-mod-accept").click()
        self.page.wait_for_function(f"name => {PANEL}.context.path === name", arg=name)
        self.notebook = name

    def move(self, folder: str) -> None:
        """Into a folder beside it, as a person does it: cut and pasted in the file browser of the application."""
        files = self.page
        if self._app == "notebook":
            files = self.page.context.new_page()
            files.goto(f"http://127.0.0.1:{self._port}{self.jupyter.base_url}tree")
        item = files.locator(".jp-DirListing-item")
        item.filter(has_text=self.notebook).click(button="right")
        files.get_by_role("menuitem", name="Cut").click()
        item.filter(has_text=folder).dblclick()
        expect(item).to_have_count(0)
        files.locator(".jp-DirListing-content").click(button="right")
        files.get_by_role("menuitem", name="Paste").click()
        expect(item).to_have_count(1)
        self.notebook = f"{folder}/{self.notebook}"
        if files is not self.page:
            files.close()
        else:
            self.page.wait_for_function(f"path => {PANEL}.context.path === path", arg=self.notebook)

    def restart_kernel(self) -> None:
        before = self.page.evaluate(f"{PANEL}.sessionContext.session.kernel.id")
        self.page.evaluate("void jupyterapp.commands.execute('notebook:restart-kernel')")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.page.wait_for_function("() => !document.querySelector('.jp-Dialog')")
        self.kernel_ready()
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
        assert self.page.evaluate("watcher.faults") == []


class Logs(Protocol):
    """A server that can be asked what it has."""

    def events(self, session: str) -> list[dict[str, Any]]: ...

    def transcript(self, session: str) -> dict[str, Any]: ...


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
    def answer(self) -> list[str]:
        """The words of the last answer."""
        return self.root.locator("[data-role=assistant]").last.evaluate("message => watcher.words(message)")

    def ask(self, question: str) -> None:
        """Type a question and press Send; returns when there is an answer, if only an empty one."""
        answers = self.root.locator("[data-role=assistant]")
        before = answers.count()
        self.root.locator("textarea.jdc-input").fill(question)
        self.root.locator("button.jdc-send").click()
        expect(answers).to_have_count(before + 1)

    def wait_for_word(self, n: int) -> None:
        """Wait until the answer has got as far as `wN`."""
        expect(self.root.locator("[data-role=assistant]").last).to_contain_text(re.compile(rf"\bw{n}\b"))

    def wait_for_outcome(self, outcome: str = "completed") -> None:
        answer = self.root.locator("[data-role=assistant]").last
        expect(answer).to_have_attribute("data-outcome", outcome, timeout=40_000)

    def assert_exact(self, jupyter: Logs) -> None:
        """The root has counted no gap, has seen the whole log, and shows the text that the log holds."""
        events = jupyter.events(self.session)
        assert [event["lsn"] for event in events] == list(range(1, len(events) + 1))
        expect(self.root).to_have_attribute("data-last-lsn", str(len(events)))
        expect(self.root).to_have_attribute("data-gaps", "0")
        answer = jupyter.transcript(self.session)["messages"][-1]
        assert self.answer == " ".join(part["text"] for part in answer["parts"] if part["type"] == "text").split()
