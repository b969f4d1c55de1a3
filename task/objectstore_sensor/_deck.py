"""The Deck of a wait in Flyte's console, for tasks with ``enable_deck=True``."""

from __future__ import annotations

from flytekit import Deck, FlyteContextManager
from objectstore_watcher import deck, mains
from objectstore_watcher.contract import Failed, Ready, WatchSpec


def tell(spec: WatchSpec, answer: Ready | Failed) -> None:
    """Show how the wait for ``spec`` ended, on the first tab of the task's Deck."""
    context = FlyteContextManager.current_context()
    params = context.user_space_params
    if params is None:
        return
    told = Deck(deck.NAME, deck.render(answer, spec, mains.attempt()), auto_add_to_deck=False)
    # In a local run, the tasks of a workflow share this list, and of two Decks with one name the last is shown.
    params.decks[:] = [told, *(each for each in params.decks if each.name != deck.NAME)]
    if isinstance(answer, Failed) and context.execution_state and context.execution_state.is_local_execution():
        Deck.publish()  # in pods flytekit does so at the end of each attempt; locally at the end of good ones alone
