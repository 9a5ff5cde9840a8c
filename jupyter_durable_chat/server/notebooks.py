"""Which notebook a conversation belongs to, whatever becomes of the file.

A notebook that is renamed or moved through Jupyter, alone or with its folder, keeps its conversations; one that is
deleted leaves them behind, so that another file of its name begins anew. A copy begins anew as well: the original has
the conversations. Who moved a file past Jupyter told nobody, but the outputs saved in it did: they name their session,
and one whose own notebook is no more is this notebook's.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager

from jupyter_durable_chat.log import LogError
from jupyter_durable_chat.registry import Registry, notebook_key

MIME_TYPE = "application/vnd.jupyter-durable-chat.v1+json"

MOVES = 100
"""How many of the last moves are remembered, for kernels that Jupyter has not told of theirs yet."""

MAX_NAMED = 64
"""Sessions of one file that are looked at."""

logger = logging.getLogger(__name__)


class Notebooks:
    """The notebooks of one server. `ready` returns when the registry has been started."""

    def __init__(
        self, contents: ContentsManager, registry: Registry, root: str, ready: Callable[[], Awaitable[None]]
    ) -> None:
        self._contents = contents
        self._registry = registry
        self._root = root
        self._ready = ready
        self._moved: deque[tuple[str, str]] = deque(maxlen=MOVES)
        self._one_by_one = asyncio.Lock()
        # Unmodified: what an administrator strips from events before they are recorded is what counts here.
        contents.event_logger.add_listener(modified=False, schema_id=contents.event_schema_id, listener=self._heard)

    def close(self) -> None:
        self._contents.event_logger.remove_listener(schema_id=self._contents.event_schema_id, listener=self._heard)

    async def _heard(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """What the contents manager did, once it is done."""
        if data["action"] == "rename":
            await self._move(data["source_path"].strip("/"), data["path"].strip("/"))
        elif data["action"] == "delete":
            await self._move(data["path"].strip("/"), None)

    async def _move(self, old: str, new: str | None) -> None:
        if old == new:
            return
        async with self._one_by_one:
            if new is not None:
                self._moved.append((old, new))
            try:
                await self._ready()
                await self._registry.move(self._root, old, new)
            except LogError as error:
                logger.error("The chats of %r stay where they are: %s", old, error)

    async def now(self, path: str) -> str:
        """Where a notebook is that Jupyter calls by this path; the file moves first, and is told of afterwards."""
        async with self._one_by_one:
            for old, new in self._moved:
                rest = path.removeprefix(old)
                if path.startswith(old) and rest[:1] in ("", "/") and not await self._exists(path):
                    path = new + rest
        return path

    async def adopt(self, path: str, name: str) -> None:
        """Before this notebook begins a conversation: is there one that was moved here past Jupyter?"""
        here = notebook_key(self._root, path, name)
        async with self._one_by_one:
            if await self._registry.has(here):
                return
            for session in await asyncio.to_thread(_sessions_in, Path(self._root, path.strip("/"))):
                there = await self._registry.keyed(session)
                if there is None or there[1] != name:
                    continue
                try:
                    before = Path(there[0]).relative_to(self._root).as_posix()
                except ValueError:
                    continue
                if not await self._exists(before):
                    logger.info("%r has the chats of %r: its outputs name them, and that file is no more", path, before)
                    await self._registry.move(self._root, before, path)
                    return

    async def _exists(self, path: str) -> bool:
        return await ensure_async(self._contents.file_exists(path))


def _sessions_in(file: Path) -> list[str]:
    """The sessions that the outputs of a notebook's cells show, as they were saved. What is no notebook has none."""
    try:
        text = file.read_text(encoding="utf-8")
        if MIME_TYPE not in text:
            return []
        found = list(dict.fromkeys(_shown(json.loads(text))))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []
    return found[:MAX_NAMED]


def _shown(notebook: Any) -> Iterator[str]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            shown = output.get("data", {}).get(MIME_TYPE)
            if shown and isinstance(session := shown.get("session"), str):
                yield session
