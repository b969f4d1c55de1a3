"""The browser of the tests sees what it must."""

from __future__ import annotations

import pytest

from tests.browser import opened, screenshot


def test_a_page_is_drawn_in_the_colours_that_were_asked_for() -> None:
    page = "<style>@media (prefers-color-scheme: dark) { body { background: rgb(1, 2, 3) } }</style><p>here</p>"
    with opened(page, scheme="dark") as tab:
        assert tab.inner_text("p") == "here"
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 3)"
        assert screenshot(tab, "browser").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("<script>alert('seen')</script>", "dialog: seen"),
        ("<script>nothing.here()</script>", "nothing is not defined"),
        ("<img src='http://192.0.2.1/x.png'>", "request to http://192.0.2.1/x.png"),
    ],
)
def test_a_page_that_does_what_it_must_not_fails_its_test(page: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint), opened(page) as tab:
        tab.wait_for_timeout(200)
