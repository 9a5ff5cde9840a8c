"""One process of an agent that speaks ACP, and the conversation that it has had.

Import this in a thread: it imports the ACP SDK. What the process says is told in the order in which it said it, and
only while somebody listens: an answer that was stopped is waited for before the next question, or its process is ended.
"""

import asyncio
import base64
import json
import logging
import os
import secrets
import signal
import stat
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import acp
import msgspec
from acp import schema
from pydantic import ValidationError

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Host, Request
from jupyter_durable_chat.agents.acp import AcpConfig
from jupyter_durable_chat.agents.acp_updates import Telling
from jupyter_durable_chat.readable.text import line as in_one_line

log = logging.getLogger(__name__)

Messages = list[dict[str, Any]]
T = TypeVar("T")

STARTING = 120.0
"""Seconds that an agent may take to start; some fetch themselves first."""

SETTLING = 10.0
"""Seconds that it may take to end an answer that was stopped."""

GRACE = 2.0

LARGEST_MESSAGE = 50 * 2**20
LARGEST_FILE = 10 * 2**20
LONGEST_HISTORY = 100_000

GO_ON = "Your last answer was cut off. Go on from exactly where it ended; repeat nothing."

FINISH_REASONS = {"end_turn": "stop", "max_tokens": "length", "max_turn_requests": "other"}


class Process:
    """A process that answers for one session. It starts with its first answer, and `aclose` ends it for good."""

    def __init__(self, name: str, config: AcpConfig, session: str) -> None:
        self.usable = True
        """Whether it may be asked again."""
        self._name = name
        self._config = config
        self._session = session
        self._turns = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._agent: Any = None  # the SDK's connection, which its own decorators hide from type checkers
        self._able: schema.AgentCapabilities = schema.AgentCapabilities()
        self._stderr: asyncio.Task[None] | None = None
        self._id: str | None = None
        """The agent's own id of the conversation that it knows."""
        self._known: list[str] = []
        """The ids of the messages that it was told, in their order."""
        self._telling: Telling | None = None
        self._host: Host | None = None
        self._settling: asyncio.Task[Any] | None = None
        self._cost = 0.0

    @property
    def busy(self) -> bool:
        return self._turns.locked()

    async def answer(self, request: Request) -> AsyncGenerator[e.Chunk]:
        """One turn. Closed before its end, it tells the agent to stop."""
        async with self._turns:
            try:
                await self._settle()
                if self._process is None:
                    await self._within(STARTING, self._start())
                told = await self._prepare(request)
                prompt = await self._prompt(told, told is request.messages, request.host)
            except (OSError, acp.RequestError, ValidationError) as error:
                raise await self._failed(error) from None
            about = {"acp": {"agent": self._name, "session": self._id, "in": self._session}}
            yield e.MessageMetadata(message_metadata=about)
            yield e.StartStep()
            telling = self._telling = Telling()
            self._host = request.host
            self._known = [message["id"] for message in request.messages]
            asked = asyncio.create_task(self._agent.prompt(prompt=prompt, session_id=self._id))
            asked.add_done_callback(lambda _: telling.end())
            try:
                async with aclosing(telling.chunks()) as chunks:
                    async for chunk in chunks:
                        yield chunk
                reason, usage = await self._said(asked)
            finally:
                self._telling = self._host = None
                if not asked.done():
                    await self._stop(asked)
            for chunk in telling.close():
                yield chunk
            if reason == "refusal":
                raise AgentError("refused", f"{self._name} refuses to answer this. Ask in other words.")
            yield e.FinishStep()
            if reason in FINISH_REASONS:
                metadata = self._counted(usage, telling)
                yield e.Finish(finish_reason=FINISH_REASONS[reason], message_metadata=metadata)

    async def aclose(self) -> None:
        """Idempotent."""
        self.usable = False
        if self._telling is not None:
            self._telling.end()
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        if self._agent is not None:
            await self._agent.close()
        if self._stderr is not None:  # it ends with the last that was started there
            await asyncio.wait({self._stderr}, timeout=GRACE)
        for task in (self._stderr, self._settling):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    # The process

    async def _start(self) -> None:
        config = self._config
        process = self._process = await asyncio.create_subprocess_exec(
            config.command,
            *config.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=acp.default_environment() | config.env,
            cwd=config.folder,
            limit=LARGEST_MESSAGE,
            start_new_session=True,
        )
        if not self.usable:  # it was closed while it was being started
            await _end(process)
            raise ConnectionError
        assert process.stdin and process.stdout and process.stderr
        self._stderr = asyncio.create_task(self._listen(process.stderr))
        self._agent = acp.connect_to_agent(cast("acp.Client", _Ours(self)), process.stdin, process.stdout)
        files = schema.FileSystemCapabilities(read_text_file=True, write_text_file=config.allow_writes)
        try:
            answer = await self._agent.initialize(
                protocol_version=acp.PROTOCOL_VERSION,
                client_capabilities=schema.ClientCapabilities(fs=files, terminal=False),
                client_info=schema.Implementation(name="jupyter-durable-chat", version="0"),
            )
        except acp.RequestError:
            self.usable = False
            raise
        self._able = answer.agent_capabilities or self._able

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        hidden = sorted((value for value in self._config.env.values() if len(value) >= 4), key=len, reverse=True)
        with suppress(ValueError):  # a line longer than a message
            while line := (await stderr.readline()).decode(errors="replace"):
                for secret in hidden:
                    line = line.replace(secret, "…")
                log.debug("%s: %s", self._name, in_one_line(line))

    async def _within(self, seconds: float, doing: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await doing
        except TimeoutError:
            await self.aclose()
            raise AgentError(
                "provider", f"{self._name} did not answer within {seconds:g} s.", recoverable=True
            ) from None
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def _failed(self, error: Exception) -> AgentError:
        """The `AgentError` for what the connection raised; what an agent writes may hold anything, and is not told."""
        if isinstance(error, acp.RequestError):
            if error.code == acp.RequestError.auth_required().code:
                return AgentError(
                    "auth",
                    f"{self._name} wants you to sign in first. Start {self._config.command!r} in a terminal of the "
                    "Jupyter server and sign in there, or set its key in the agent's 'env'.",
                )
            return AgentError("provider", f"{self._name} failed (code {error.code}). Try again.", recoverable=True)
        self.usable = False
        if isinstance(error, ValidationError):
            return AgentError("provider", f"{self._name} answered with something that is not ACP.")
        process, code = self._process, None
        if process is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    code = await process.wait()
        await self.aclose()
        ended = "could not be started" if process is None else f"ended (exit code {code})"
        return AgentError("provider", f"The process of {self._name} {ended}. Try again.", recoverable=True)

    # The conversation

    async def _prepare(self, request: Request) -> Messages:
        """Make it know what comes before; the messages that it is still to be told."""
        messages = request.messages
        ids = [message["id"] for message in messages]
        if self._id is not None and (told := self._new(messages, ids)):
            return told
        if self._id is None and self._able.load_session and (found := self._last_known(messages)):
            id_, told = found
            with suppress(acp.RequestError):  # it is not known there any longer: it is told everything
                await self._within(
                    STARTING, self._agent.load_session(cwd=str(self._config.folder), session_id=id_, mcp_servers=[])
                )
                self._id, self._known = id_, ids[: len(ids) - len(told)]
                return told
        new = await self._within(STARTING, self._agent.new_session(cwd=str(self._config.folder), mcp_servers=[]))
        self._id, self._known, self._cost = new.session_id, [], 0.0
        return messages

    def _new(self, messages: Messages, ids: list[str]) -> Messages | None:
        """What comes after what it knows; `None` when it knows something else."""
        known = self._known
        if ids == known:
            return messages[-1:] if messages[-1]["role"] == "assistant" else None
        if ids[: len(known)] != known:
            return None
        rest = messages[len(known) :]
        return (rest[1:] if rest[0]["role"] == "assistant" and self._is_ours(rest[0]) else rest) or rest

    def _is_ours(self, message: dict[str, Any]) -> bool:
        about = message.get("metadata", {}).get("acp") or {}
        return (about.get("agent"), about.get("in")) == (self._name, self._session)

    def _last_known(self, messages: Messages) -> tuple[str, Messages] | None:
        """The conversation that an earlier process of this agent had here, and what came after it."""
        for number in range(len(messages) - 1, -1, -1):
            if messages[number]["role"] == "assistant":
                id_ = (messages[number].get("metadata", {}).get("acp") or {}).get("session")
                if not self._is_ours(messages[number]) or not isinstance(id_, str):
                    return None
                return id_, messages[number + 1 :] or messages[number:]
        return None

    async def _prompt(self, told: Messages, all_of_it: bool, host: Host | None) -> list[Any]:
        *before, last = told
        blocks: list[Any] = []
        if before:
            text = "\n\n".join(f"{message['role']}: {_text(message)}" for message in before)
            if len(text) > LONGEST_HISTORY:
                text = "[…] " + text[-LONGEST_HISTORY:]
            blocks.append(acp.text_block(f"What was said in this conversation so far:\n\n{text}\n\nNow:"))
        if last["role"] == "assistant":
            if (all_of_it or not self._is_ours(last)) and (said := _text(last)):
                blocks.append(acp.text_block(f"You had begun to answer:\n\n{said}"))
            return [*blocks, acp.text_block(GO_ON)]
        for part in last["parts"]:
            if part["type"] == "text":
                blocks.append(acp.text_block(part["text"]))
            elif part["type"] == "file":
                blocks.append(await self._file(part, host))
        return blocks

    async def _file(self, part: dict[str, Any], host: Host | None) -> Any:
        name, media_type, url = part.get("filename") or "a file", part.get("mediaType") or "", part["url"]
        if url.startswith("data:") and ";base64," in url:
            data = base64.b64decode(url.partition(";base64,")[2])
        elif url.startswith("attachment:") and host is not None:
            data, media_type = await host.attachment(url)
        else:
            return acp.text_block(f"[{name} ({media_type}) could not be sent.]")
        able = self._able.prompt_capabilities
        if media_type.startswith("image/") and able and able.image:
            return acp.image_block(base64.b64encode(data).decode(), media_type)
        if media_type.startswith("text/") or media_type == "application/json":
            return acp.text_block(f"[{name}]\n{data.decode(errors='replace')}")
        return acp.text_block(f"[{name} ({media_type}, {len(data)} bytes) is of a kind that you cannot be shown.]")

    async def _said(self, asked: "asyncio.Task[schema.PromptResponse]") -> tuple[str, schema.Usage | None]:
        if not asked.done():  # it was closed from outside
            raise AgentError("provider", f"The process of {self._name} was ended.", recoverable=True)
        try:
            response = await asked
        except (OSError, acp.RequestError, ValidationError) as error:
            raise await self._failed(error) from None
        return response.stop_reason, response.usage

    async def _stop(self, asked: "asyncio.Task[Any]") -> None:
        """Tell it to stop, and do not wait for it."""
        self._settling = asked
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody wants it any longer
        try:
            async with asyncio.timeout(GRACE):
                await self._agent.cancel(session_id=self._id)
        except OSError:  # or it took too long
            self.usable = False

    async def _settle(self) -> None:
        """Return when it has ended the answer that was stopped. Ends the process of one that does not."""
        settling = self._settling
        if settling is None:
            return
        _, late = await asyncio.wait({settling}, timeout=SETTLING)
        self._settling = None
        if late:
            settling.cancel()
            await self.aclose()
            raise AgentError("provider", f"{self._name} did not stop, and was ended. Try again.", recoverable=True)

    def _counted(self, usage: schema.Usage | None, telling: Telling) -> dict[str, Any] | None:
        used = e.Usage()
        if usage is not None:
            used = e.Usage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                reasoning_tokens=usage.thought_tokens or 0,
                cache_read_tokens=usage.cached_read_tokens or 0,
                cache_write_tokens=usage.cached_write_tokens or 0,
            )
        if telling.cost is not None:  # of everything so far
            used = msgspec.structs.replace(used, cost_usd=max(0.0, telling.cost - self._cost))
            self._cost = telling.cost
        counted = {"usage": msgspec.to_builtins(used)} if used != e.Usage() else {}
        if telling.context:
            counted["context"] = msgspec.to_builtins(telling.context)
        return counted or None


class _Ours:
    """What an agent may ask of us."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        if (telling := self._process._telling) is not None and session_id == self._process._id:
            telling.update(update)

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[schema.PermissionOption], **_: Any
    ) -> schema.RequestPermissionResponse:
        telling, host = self._process._telling, self._process._host
        if telling is None or host is None or session_id != self._process._id:
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        approval_id = f"a_{secrets.token_hex(8)}"
        call_id = telling.ask(tool_call, approval_id)
        answering = asyncio.ensure_future(host.approval(approval_id))
        telling.waits_for(answering)
        try:
            verdict = await answering
        except asyncio.CancelledError:
            if not answering.cancelled():
                raise
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        if not verdict.approved:
            telling.deny(call_id)
        wanted = ("allow_once", "allow_always") if verdict.approved else ("reject_once", "reject_always")
        for kind in wanted:
            for option in options:
                if option.kind == kind:
                    outcome = schema.AllowedOutcome(outcome="selected", option_id=option.option_id)
                    return schema.RequestPermissionResponse(outcome=outcome)
        return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))

    async def read_text_file(
        self, session_id: str, path: str, line: int | None = None, limit: int | None = None, **_: Any
    ) -> schema.ReadTextFileResponse:
        content = await asyncio.to_thread(_read, self._process._config.folder, path, line, limit)
        return schema.ReadTextFileResponse(content=content)

    async def write_text_file(
        self, session_id: str, path: str, content: str, **_: Any
    ) -> schema.WriteTextFileResponse | None:
        if not self._process._config.allow_writes or self._process._telling is None:
            raise acp.RequestError.method_not_found("fs/write_text_file")
        await asyncio.to_thread(_write, self._process._config.folder, path, content)
        return schema.WriteTextFileResponse()

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise acp.RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        pass

    def on_connect(self, conn: Any) -> None:
        pass


def _inside(folder: Path, path: str) -> Path:
    """Where a path leads, links followed. Raises `RequestError` when that is not inside of the folder."""
    real = Path(os.path.realpath(path))
    if not os.path.isabs(path) or not real.is_relative_to(os.path.realpath(folder)):
        raise acp.RequestError.invalid_params({"path": path, "details": "It is outside of the agent's folder."})
    return real


def _read(folder: Path, path: str, line: int | None, limit: int | None) -> str:
    try:
        with open(_inside(folder, path), encoding="utf-8", newline="", opener=_opener) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_FILE:
                raise acp.RequestError.invalid_params({"path": path, "details": "It is no file, or too large."})
            first = max((line or 1) - 1, 0)
            return "".join(islice(file, first, None if limit is None else first + limit))
    except OSError:
        raise acp.RequestError.resource_not_found(path) from None
    except UnicodeDecodeError:
        raise acp.RequestError.invalid_params({"path": path, "details": "It is not text."}) from None


def _write(folder: Path, path: str, content: str) -> None:
    try:
        with open(_inside(folder, path), "w", encoding="utf-8", newline="", opener=_opener) as file:
            file.write(content)
    except OSError as error:
        raise acp.RequestError.invalid_params({"path": path, "details": error.strerror}) from None


def _opener(path: str, flags: int) -> int:
    """The path was followed before: a link or a pipe that came since is neither followed nor waited for."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)


def _text(message: dict[str, Any]) -> str:
    """What a message says, and which files and calls it has."""
    said: list[str] = []
    for part in message["parts"]:
        match part:
            case {"type": "text", "text": str(text)}:
                said.append(text)
            case {"type": "file"}:
                said.append(f"[{part.get('filename') or part.get('mediaType')}]")
            case {"type": "dynamic-tool", "toolName": str(name)}:
                shown = json.dumps(part.get("output", part.get("errorText")), ensure_ascii=False)[:1000]
                said.append(f"[{part.get('title') or name}: {shown}]")
    return "\n".join(said)


async def _end(process: asyncio.subprocess.Process) -> None:
    """It is asked to go by the end of its input, told to, and killed, with everything that it has started."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _signal(process, number)
        try:
            async with asyncio.timeout(GRACE):
                await process.wait()
                break
        except TimeoutError:
            continue
    _signal(process, signal.SIGKILL)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        elif process.returncode is None:
            process.send_signal(number)
