"""The Deck in Flyte's console: with ``enable_deck=True``, of waits that end well and of those that do not."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flytekit import FlyteContextManager
from flytekit.configuration import DataConfig
from flytekit.core.data_persistence import FileAccessProvider
from objectstore_sensor import DeadlineExceeded
from playwright.sync_api import Page

from tests.browser import opened, screenshot
from tests.servers import MinioServer, eventually
from tests.task import sensors
from tests.task.conftest import Module
from tests.task.pods import SLOW, Pod, started

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"&{{.input}}"

LOCAL = """
sensor = WaitForObjectStoreFile(poll_interval=0.05, timeout="1h", enable_deck=True)
hasty = WaitForObjectStoreFile(poll_interval=0.05, timeout=0.2, enable_deck=True)
without = WaitForObjectStoreFile(poll_interval=0.05, timeout="1h")
several = WaitForObjectStoreFiles(poll_interval=0.05, timeout="1h", enable_deck=True)

def is_cheap(found: MatchedObject) -> bool:
    raise KeyError("price")

broken = WaitForObjectStoreFile(when=is_cheap, timeout="1h", enable_deck=True)

@task(task_config=ObjectStoreWait(poll_interval=0.05, timeout="1h"), enable_deck=True)
def count(path: str) -> int:
    return len(path)

@workflow
def wait_for_both(first: str, second: str) -> list[str]:
    before = sensor(path=first)
    after = several(paths=[second])
    before >> after
    return after
"""


@contextmanager
def shown(deck: str) -> Iterator[Page]:
    """flytekit's page, without the fonts that it wants from elsewhere."""
    with opened(re.sub("<link[^>]*>", "", deck)) as tab:
        yield tab


def of_wait(tab: Page) -> str:
    """What the tab says that is shown first."""
    assert tab.locator("#flyte-frame-tabs li.active").inner_text() == "Wait"
    return tab.locator("#flyte-frame-container > div.active").inner_text()


@pytest.fixture
def decks(tmp_path: Path) -> Iterator[Path]:
    """Where local runs of tasks leave their Decks."""
    access = FileAccessProvider(str(tmp_path / "sandbox"), str(tmp_path / "raw"), data_config=DataConfig.auto())
    context = FlyteContextManager.current_context()
    with FlyteContextManager.with_context(context.with_file_access(access)):
        yield tmp_path


def last(decks: Path) -> str:
    found = sorted(decks.rglob("deck.html"), key=lambda path: path.stat().st_mtime_ns)
    assert found, "no Deck was written"
    return found[-1].read_text()


class TestLocally:
    def test_a_wait_has_a_deck(self, module: Module, decks: Path, tmp_path: Path) -> None:
        file = tmp_path / "order.csv"
        file.write_text("12345")
        module(LOCAL).sensor(path=str(file))
        with shown(last(decks)) as tab:
            told = of_wait(tab)
        assert "Ready" in told
        assert str(file) in told
        assert "5 bytes" in told

    def test_a_wait_that_fails_has_one_too(self, module: Module, decks: Path, tmp_path: Path) -> None:
        with pytest.raises(DeadlineExceeded):
            module(LOCAL).hasty(path=str(tmp_path / "absent"))
        with shown(last(decks)) as tab:
            told = of_wait(tab)
        assert "Failed" in told
        assert "deadline_exceeded" in told
        assert "Not there yet" in told

    def test_a_condition_that_raises_is_told(self, module: Module, decks: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(KeyError, match="price"):
            module(LOCAL).broken(path=str(tmp_path / "file"))
        with shown(last(decks)) as tab:
            told = of_wait(tab)
        assert "Raised KeyError: 'price'" in told
        assert "What to do: correct the function" in told
        assert "The watcher began" in told

    def test_each_task_of_a_workflow_shows_its_own_wait(self, module: Module, decks: Path, tmp_path: Path) -> None:
        for name in ("first", "second"):
            (tmp_path / name).touch()
        module(LOCAL).wait_for_both(first=str(tmp_path / "first"), second=str(tmp_path / "second"))
        assert len(list(decks.rglob("deck.html"))) == 2
        with shown(last(decks)) as tab:
            told = of_wait(tab)
        assert str(tmp_path / "second") in told
        assert str(tmp_path / "first") not in told

    def test_a_decorated_function_has_one(self, module: Module, decks: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        module(LOCAL).count(path=str(tmp_path / "file"))
        with shown(last(decks)) as tab:
            assert "Ready" in of_wait(tab)

    def test_nobody_who_did_not_ask_gets_one(self, module: Module, decks: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        module(LOCAL).without(path=str(tmp_path / "file"))
        assert list(decks.rglob("deck.html")) == []


@pytest.fixture(scope="module")
def pods(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pod]]:
    """Two real processes each."""
    bucket = f"decks-{uuid.uuid4().hex[:8]}"
    minio.client().make_bucket(bucket)
    minio.put(bucket, HOSTILE, b"1234")
    asked = {
        "ready": (sensors.seen, f"s3://{bucket}/{HOSTILE}"),
        "failed": (sensors.seen_failing, f"s3://{bucket}/never {HOSTILE}"),
        "killed": (sensors.seen_dying, f"s3://{bucket}/never"),
        "not asked": (sensors.made, f"s3://{bucket}/{HOSTILE}"),
    }
    with started(minio, bucket, asked, tmp_path_factory) as pods:
        yield pods


@pytest.mark.timeout(2 * SLOW)
class TestInThePod:
    def test_the_deck_is_written_beside_the_outputs(self, pods: dict[str, Pod]) -> None:
        pod = pods["ready"]
        assert pod.end() == 0, pod.log()
        assert pod.outputs() == {"path": pod.path}
        deck = pod.deck()
        assert deck, pod.log()
        with shown(deck) as tab:
            screenshot(tab, "deck-in-flyte")
            told = of_wait(tab)
            assert tab.locator("h1").inner_text() == pod.path
            assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert "4 bytes" in told
        assert "Attempt\n1\n" in told
        assert "$0.00000040" in told
        assert MinioServer.SECRET_KEY not in deck

    def test_the_deck_of_a_failure_is_written_beside_the_error(self, pods: dict[str, Pod]) -> None:
        pod = pods["failed"]
        pod.end()
        error, deck = pod.error(), pod.deck()
        assert deck, pod.log()
        with shown(deck) as tab:
            told = of_wait(tab)
        assert "the object did not appear within 1 s".capitalize() in told
        assert "Not there yet" in told
        assert "the object did not appear within 1 s" in error.message

    def test_of_a_watcher_that_died_the_deck_tells_what_it_told_before(self, pods: dict[str, Pod]) -> None:
        pod = pods["killed"]
        pod.reach_request()
        eventually((pod.directory / "progress").exists, "progress")
        pod.watcher.kill()
        pod.end()
        deck = pod.deck()
        assert deck, pod.log()
        with shown(deck) as tab:
            told = of_wait(tab)
        assert "watcher_died" in told
        assert "The watcher began" in told

    def test_without_the_option_there_is_none(self, pods: dict[str, Pod]) -> None:
        pod = pods["not asked"]
        assert pod.end() == 0, pod.log()
        assert pod.deck() is None
