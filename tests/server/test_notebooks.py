"""A conversation belongs to its notebook, whatever becomes of the file: through Jupyter's own API, and past it."""

import json
from pathlib import Path

import pytest
from jupyter_server.serverapp import ServerApp

from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually


class Files:
    """Jupyter's contents API, and the disk behind it."""

    def __init__(self, api: Api, root: Path) -> None:
        self._api = api
        self._url = api.url.removesuffix("durable-chat/") + "api/contents/"
        self.root = root

    async def __call__(self, method: str, at: str, body: JSON | None = None) -> JSON:
        answer = await self._api.client.request(method, self._url + at, json=body, headers=self._api.headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}

    def write(self, path: str, *sessions: str) -> None:
        """A notebook whose cells show these sessions."""
        mime = "application/vnd.jupyter-durable-chat.v1+json"
        cells = [
            {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "chat", "execution_count": None}
            | {"outputs": [{"output_type": "display_data", "metadata": {}, "data": {mime: {"session": session}}}]}
            for n, session in enumerate(sessions)
        ]
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))

    async def rename(self, old: str, new: str) -> None:
        await self("PATCH", old, {"path": new})

    async def delete(self, path: str) -> None:
        await self("DELETE", path)

    async def copy(self, path: str) -> str:
        return (await self("POST", "", {"copy_from": path}))["path"]


@pytest.fixture
def files(api: Api, jp_root_dir: Path) -> Files:
    return Files(api, jp_root_dir)


async def chat(api: Api, notebook: str, name: str = "") -> str:
    """The session of this notebook and name."""
    answer = await api("POST", "api/sessions", {"notebook": notebook, "name": name, "agent": "scripted"})
    assert answer.is_success, answer.text
    return answer.json()["id"]


async def listed(api: Api, notebook: str) -> list[str]:
    return [s["id"] for s in (await api("GET", "api/sessions", params={"notebook": notebook})).json()["sessions"]]


async def belongs(api: Api, session: str, notebook: str | None) -> None:
    """Return when the session says that it is this notebook's."""

    async def is_so() -> bool:
        return (await api.transcript(session))["notebook"] == notebook

    await eventually(is_so)


async def test_a_renamed_notebook_keeps_its_chats(api: Api, files: Files) -> None:
    files.write("a.ipynb")
    one, two, other = await chat(api, "a.ipynb"), await chat(api, "a.ipynb", "two"), await chat(api, "b.ipynb")
    order = [s["id"] for s in (await api("GET", "api/sessions")).json()["sessions"]]
    await files.rename("a.ipynb", "c.ipynb")
    for session in (one, two):
        await belongs(api, session, "c.ipynb")
    assert [await chat(api, "c.ipynb"), await chat(api, "c.ipynb", "two")] == [one, two]
    assert set(await listed(api, "c.ipynb")) == {one, two} and await listed(api, "a.ipynb") == []
    sessions = (await api("GET", "api/sessions")).json()["sessions"]
    assert [s["id"] for s in sessions] == order, "who was renamed was not used"
    assert {s["id"]: s["notebook"] for s in sessions} == {one: "c.ipynb", two: "c.ipynb", other: "b.ipynb"}
    assert await chat(api, "a.ipynb") not in (one, two, other)


async def test_a_folder_takes_the_chats_of_its_notebooks_along(api: Api, files: Files) -> None:
    files.write("work/deep/a.ipynb")
    files.write("workshop/a.ipynb")
    inside, beside = await chat(api, "work/deep/a.ipynb"), await chat(api, "workshop/a.ipynb")
    await files.rename("work", "play")
    await belongs(api, inside, "play/deep/a.ipynb")
    await files.rename("play/deep/a.ipynb", "a.ipynb")
    await belongs(api, inside, "a.ipynb")
    assert await chat(api, "a.ipynb") == inside
    assert await chat(api, "workshop/a.ipynb") == beside


async def test_a_rename_while_the_answer_comes(api: Api, files: Files, agent: Scripted) -> None:
    files.write("a.ipynb")
    session = await chat(api, "a.ipynb")
    await api.send(session)
    agent.say_text("half ")
    await files.rename("a.ipynb", "b.ipynb")
    await belongs(api, session, "b.ipynb")
    agent.say_text("whole")
    agent.finish()
    transcript = await api.settled(session)
    assert transcript["messages"][1]["metadata"]["outcome"] == "completed"
    assert (await api.transcript(await chat(api, "b.ipynb")))["messages"] == transcript["messages"]


async def test_a_fork_follows_its_notebook_and_takes_no_name_from_it(api: Api, files: Files) -> None:
    files.write("a.ipynb")
    session = await chat(api, "a.ipynb")
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()["id"]
    await files.rename("a.ipynb", "b.ipynb")
    await belongs(api, fork, "b.ipynb")
    await belongs(api, session, "b.ipynb")
    assert await chat(api, "b.ipynb") == session


async def test_a_new_notebook_under_the_name_of_a_deleted_one_begins_anew(api: Api, files: Files) -> None:
    files.write("Untitled.ipynb")
    session = await chat(api, "Untitled.ipynb")
    await files.delete("Untitled.ipynb")
    await belongs(api, session, None)
    assert session in [s["id"] for s in (await api("GET", "api/sessions")).json()["sessions"]]
    files.write("Untitled.ipynb")
    assert await chat(api, "Untitled.ipynb") != session


async def test_a_notebook_that_takes_the_place_of_another_brings_its_own_chats(api: Api, files: Files) -> None:
    files.write("a.ipynb")
    files.write("b.ipynb")
    mine, old, older = await chat(api, "a.ipynb"), await chat(api, "b.ipynb"), await chat(api, "b.ipynb", "more")
    (files.root / "b.ipynb").unlink()
    await files.rename("a.ipynb", "b.ipynb")
    await belongs(api, mine, "b.ipynb")
    await belongs(api, old, None)
    await belongs(api, older, None)
    assert await chat(api, "b.ipynb") == mine
    assert await chat(api, "b.ipynb", "more") not in (old, older)


async def test_a_copy_begins_anew(api: Api, files: Files) -> None:
    session = await chat(api, "a.ipynb")
    files.write("a.ipynb", session)
    copy = await files.copy("a.ipynb")
    assert await chat(api, copy) != session
    assert await chat(api, "a.ipynb") == session


async def test_a_notebook_that_was_moved_past_jupyter_finds_its_chats_by_its_outputs(api: Api, files: Files) -> None:
    session, second = await chat(api, "a.ipynb"), await chat(api, "a.ipynb", "second")
    foreign = await chat(api, "foreign.ipynb")
    files.write("foreign.ipynb", foreign)
    files.write("a.ipynb", "s_never", foreign, session)
    (files.root / "moved").mkdir()
    (files.root / "a.ipynb").rename(files.root / "moved" / "b.ipynb")
    assert await chat(api, "moved/b.ipynb") == session
    assert await chat(api, "moved/b.ipynb", "second") == second
    assert await chat(api, "foreign.ipynb") == foreign


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"cells": 3}', '{"cells": [{"outputs": [3]}]}'])
async def test_a_file_that_is_no_notebook_has_no_chats(api: Api, files: Files, content: str) -> None:
    (files.root / "a.ipynb").write_text(content + "application/vnd.jupyter-durable-chat.v1+json")
    (files.root / "b.ipynb").write_text(content)
    assert await chat(api, "a.ipynb") != await chat(api, "b.ipynb")


async def test_a_kernel_that_jupyter_has_not_told_yet_finds_its_notebook(
    api: Api, files: Files, jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a file is renamed, then the page says so to the kernel's session; a cell may run in between."""
    files.write("a.ipynb")
    known = [{"path": "a.ipynb", "kernel": {"id": "k"}}]
    monkeypatch.setattr(jp_serverapp.session_manager, "list_sessions", lambda: known)

    async def of_kernel() -> JSON:
        return (await api("POST", "api/sessions", {"kernel": "k", "agent": "scripted"})).json()

    session = (await of_kernel())["id"]
    await files.rename("a.ipynb", "b.ipynb")
    assert (await of_kernel())["id"] == session
    await files.rename("b.ipynb", "c.ipynb")
    assert ((await of_kernel())["id"], (await of_kernel())["notebook"]) == (session, "c.ipynb")
    files.write("a.ipynb")
    assert (await of_kernel())["id"] != session, "there is a new notebook of the old name, and this is its kernel"
