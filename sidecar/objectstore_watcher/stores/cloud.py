"""Google Cloud Storage and Azure, by obstore: one HEAD or one LIST for each look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from objectstore_watcher.cloud_uris import AZURE, GCS, CloudLocation
from objectstore_watcher.contract import MAX_TEXT, MOST_MATCHES, WatchSpec, title
from objectstore_watcher.errors import InvalidArgument, StoreError
from objectstore_watcher.patterns import Pattern
from objectstore_watcher.stores import MANIFEST, Found, KeyPair, OnRequest, media_type
from objectstore_watcher.stores.causes import EXPLAINED_FOR, RENEWABLE
from objectstore_watcher.stores.cloud_client import connect
from objectstore_watcher.stores.cloud_errors import CURES, Fault, fault_of
from objectstore_watcher.targets import Target

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta

T = TypeVar("T")

PAGE = {GCS: 1000, AZURE: 5000}
"""Keys of a page of a listing: the most that the cloud gives."""

_UNEXPLAINED = {400, 401, 403, 404, 409}
"""Status of a HEAD that can mean several things: the answer has no body that says which."""


class CloudStore:
    """A bucket in Google Cloud Storage, or a container in Azure.

    obstore is asked through asyncio, in a loop for each look: only so can a request be broken off from outside.
    """

    def __init__(
        self, location: CloudLocation, spec: WatchSpec, on_request: OnRequest, key_pair: KeyPair | None = None
    ) -> None:
        self._location = location
        self._uri = location.uri  # of what is being asked for
        self._version = _checked_version(location, spec)
        self._on_request = on_request
        self.answers = 0
        self._accepted = False
        self._explained: Fault | None = None
        self._explained_looks = 0
        self._confirmed: set[Found] = set()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._open(location, spec, key_pair)

    def _open(self, location: CloudLocation, spec: WatchSpec, key_pair: KeyPair | None) -> None:
        self._endpoint, self._are_static, self._are_named = "", True, True
        try:
            opened = connect(location, spec, key_pair)
        except (InvalidArgument, StoreError):
            raise
        except Exception as error:  # obstore's exceptions have no class in common with what it raises beside them
            fault = fault_of(error)
            if fault.kind not in ("malformed_answer", "tls"):  # which here are of the CA file
                raise self._error(fault) from None
            raise InvalidArgument(
                f"path {location.uri!r}",
                f"the client cannot be made: {fault.seen}",
                cure=f"correct {title('endpoint')}, {title('ca_file')} or the cloud's variables in the environment",
            ) from None
        self._client = opened["client"]
        self._endpoint = opened["endpoint"]
        self._are_static, self._are_named = opened["are_static"], opened["are_named"]

    def look(self, within: float, targets: Sequence[Target]) -> Sequence[Found]:
        """Those of ``targets`` that are there; each request has the spec's request timeout.

        Raises:
            StoreError: the server, or the way to it, failed.
        """
        return self._run(within, self._look(targets))

    def read(self, within: float, target: Target, most: int = MANIFEST) -> bytes | None:
        """The content of a small object, ``most`` bytes of it at most, or None where it is absent.

        Raises:
            StoreError: as `look`.
        """
        return self._run(within, self._read(target, most))

    def tags(self, within: float, target: Target) -> Mapping[str, str] | None:
        """None: tags are of S3 here, and no spec of them asks for any."""
        return None

    def write(self, within: float, target: Target, data: bytes) -> None:
        """Store a small object.

        Raises:
            StoreError: as `look`.
        """
        self._run(within, self._write(target, data))

    def _run(self, within: float, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run(self._remembered(work))
        except asyncio.CancelledError:
            raise self.give_up(within) from None
        finally:
            self._running = None

    async def _remembered(self, work: Coroutine[Any, Any, T]) -> T:
        """``work``, in a task that `give_up` can cancel."""
        task = asyncio.current_task()
        assert task  # noqa: S101  # this is one
        self._running = asyncio.get_running_loop(), task
        return await work

    async def _look(self, targets: Sequence[Target]) -> Sequence[Found]:
        found: list[Found] = []
        for target in targets:
            self._uri = target.uri
            if target.pattern:
                there = await self._list(target.pattern)
            else:
                there = list(filter(None, [await self._head(target.name)]))
            found += (replace(each, asked=target.uri) for each in there)
        return found

    async def _read(self, target: Target, most: int) -> bytes | None:
        import obstore

        self._uri = target.uri

        async def ask() -> bytes:
            answer = await obstore.get_async(self._client, target.name)
            content = bytearray()
            async for part in answer.stream():
                content += bytes(part)
                if len(content) >= most:
                    break
            return bytes(content[:most])

        content = await self._request("get", ask)
        if not isinstance(content, Fault):
            return content
        if content.kind != "absent":
            raise self._error(content)
        return None

    async def _write(self, target: Target, data: bytes) -> None:
        import obstore

        self._uri = target.uri

        async def ask() -> object:
            kind: Attributes = {"Content-Type": media_type(target.name)}
            return await obstore.put_async(self._client, target.name, data, attributes=kind, use_multipart=False)

        answer = await self._request("put", ask)
        if isinstance(answer, Fault):  # nothing is asked for: what is absent here is the bucket
            raise self._error(Fault("bucket_missing", answer.seen) if answer.kind == "absent" else answer)

    def give_up(self, after: float) -> StoreError:
        """Break off the look that is under way; the error for a server that does not answer in time."""
        if running := self._running:
            with suppress(RuntimeError):  # the loop has just ended
                running[0].call_soon_threadsafe(running[1].cancel)
        return self._error(Fault("timeout", f"timed out: no whole answer within {after:g} s"))

    async def _head(self, key: str) -> Found | None:
        """The object, or None where it is absent."""
        import obstore

        async def ask() -> ObjectMeta:
            if self._version:
                return (
                    await obstore.get_async(self._client, key, options={"version": self._version, "head": True})
                ).meta
            return await obstore.head_async(self._client, key)

        found = await self._request("head", ask)
        if not isinstance(found, Fault):
            self._accepted = True
            self.answers += 1
            return self._found(found)
        fault = await self._explanation(key, found) if found.status in _UNEXPLAINED else found
        if fault.kind != "absent":
            raise self._error(fault)
        self._accepted = True
        self.answers += 1
        return None

    async def _explanation(self, key: str, fault: Fault) -> Fault:
        """The fault with the code behind it: asked for when the status is news, and now and then while it stays."""
        known = self._explained
        if known and known.status == fault.status and self._explained_looks < EXPLAINED_FOR:
            self._explained_looks += 1
            return known
        self._explained, self._explained_looks = None, 1
        self._explained = await self._explain(key, fault)
        return self._explained

    async def _explain(self, key: str, fault: Fault) -> Fault:
        """What a GET of the object's first byte says; ``fault`` where that says nothing more."""
        import obstore

        async def ask() -> object:
            options: dict[str, Any] = {"range": (0, 1), **({"version": self._version} if self._version else {})}
            return await obstore.get_async(self._client, key, options=options)  # type: ignore[arg-type]

        told = await self._request("get", ask)
        return told if isinstance(told, Fault) and told.status == fault.status else fault

    async def _list(self, pattern: Pattern) -> Sequence[Found]:
        """Those that match, page by page: of a million objects only those are kept."""
        import obstore

        folder, _, rest = pattern.prefix.rpartition("/")
        offset = self._before(folder, rest) if self._location.cloud == GCS else None
        stream = obstore.list(
            self._client, folder or None, offset=offset, chunk_size=PAGE[self._location.cloud]
        ).__aiter__()
        found: dict[str, Found] = {}
        is_last = False
        while not is_last and len(found) <= MOST_MATCHES:
            page = await self._page(stream)
            self.answers += 1
            for each in page:
                if pattern.matches(each["path"]) and await self._exists(listed := self._found(each)):
                    found.setdefault(listed.key, listed)
            is_last = len(page) < PAGE[self._location.cloud] or self._is_past(pattern.prefix, page[-1]["path"])
        self._accepted = True
        return sorted(found.values(), key=lambda each: each.key)[: MOST_MATCHES + 1]

    async def _page(self, stream: Any) -> Sequence[ObjectMeta]:  # noqa: ANN401  # obstore's, generic
        async def ask() -> Sequence[ObjectMeta]:
            try:
                page: Sequence[ObjectMeta] = await stream.__anext__()
            except StopAsyncIteration:
                return ()
            return page

        page = await self._request("list", ask)
        if not isinstance(page, Fault):
            return page
        raise self._error(Fault("bucket_missing", page.seen) if page.kind == "absent" else page)

    async def _exists(self, listed: Found) -> bool:
        """Whether the object has that key: of an empty ``folder/``, as consoles make it, obstore drops the slash."""
        if listed.size or listed in self._confirmed:
            return True
        found = await self._head(listed.key)
        if found:
            self._confirmed.add(listed)
        return bool(found)

    def _before(self, folder: str, rest: str) -> str | None:
        """A key just before all that begin with the prefix: Google lists from there on."""
        code = ord(rest[-1]) - 1 if rest else 0
        if not chr(code).isprintable() or chr(code) in "/.":
            return None
        return f"{folder}/{rest[:-1]}{chr(code)}".lstrip("/")

    def _is_past(self, prefix: str, key: str) -> bool:
        """Whether no key that begins with ``prefix`` comes after ``key``: Google lists in the order of bytes."""
        return self._location.cloud == GCS and key.encode() > prefix.encode() and not key.startswith(prefix)

    def _found(self, meta: ObjectMeta) -> Found:
        etag, version = (meta["e_tag"] or "").strip('"'), meta["version"] or ""
        if meta["size"] < 0 or max(len(etag), len(version)) > MAX_TEXT:
            raise self._error(Fault("malformed_answer", "an ETag or version that is too long"))
        return Found(
            bucket=self._location.bucket,
            key=meta["path"],
            size=meta["size"],
            etag=etag,
            version_id=version,
            last_modified=meta["last_modified"].timestamp(),
        )

    async def _request(self, operation: str, send: Callable[[], Coroutine[Any, Any, T]]) -> T | Fault:
        outcome = "error"
        try:
            answer = await send()
            outcome = "found" if answer else "absent"
            return answer
        except (asyncio.CancelledError, StoreError):
            raise
        except Exception as error:  # as above
            fault = fault_of(error)
            outcome = "" if fault.is_of_credentials else "absent" if fault.kind == "absent" else "error"
            return fault
        finally:
            if outcome:
                self._on_request(operation, outcome)

    def _error(self, fault: Fault) -> StoreError:
        kind = self._kind_of(fault)
        cause = StoreError(self._uri, kind=kind).detail
        is_elsewhere = fault.is_of_credentials or not self._endpoint
        where = fault.seen if is_elsewhere else f"{self._endpoint}: {fault.seen}"
        cure = CURES.get((self._location.cloud, kind), "")
        return StoreError(self._uri, f"{cause} ({where})", cure=cure, kind=kind)

    def _kind_of(self, fault: Fault) -> str:
        if fault.is_of_credentials and not self._are_named and not self._accepted:
            return "credentials_missing"  # the metadata service of a machine that has none
        if fault.kind in RENEWABLE and self._accepted and not self._are_static:
            return "credentials_renewing"
        return "tls_changed" if fault.kind == "tls" and self._accepted else fault.kind


def _checked_version(location: CloudLocation, spec: WatchSpec) -> str:
    if location.cloud == GCS and spec.version_id and not (spec.version_id.isascii() and spec.version_id.isdigit()):
        raise InvalidArgument(title("version_id"), "a generation of Google's is a number", cure="correct it")
    return spec.version_id
