"""What the server answered, and what that means for us."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.github.host import HostError, MissingError
from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from collections.abc import Mapping

TWO_STAGES = (
    "the token may not comment on this pull request. Give the job 'permissions: pull-requests: write'; a pull request"
    " from a fork never gets it, and needs the two-stage set-up (a second workflow on workflow_run), see"
    " docs/pull-requests.md"
)


class UnauthorizedError(HostError):
    """The token is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. ``status`` is 0 if there was none."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    text: str

    @property
    def is_success(self) -> bool:
        """True if the server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """True if what was asked for is elsewhere."""
        return 300 <= self.status < 400

    @property
    def is_missing(self) -> bool:
        """True if the server, or a proxy before it, failed: what was asked for may have been done."""
        return self.status == 0 or self.status >= 500

    @property
    def is_limit(self) -> bool:
        """True if we ask too much, for the hour or at once; what was asked for was not done."""
        if self.status == 429:
            return True
        return self.status == 403 and (
            "retry-after" in self.headers
            or self.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in self.message.lower()
        )

    @property
    def content(self) -> Any:  # noqa: ANN401 - it is JSON
        """The JSON that was answered."""
        try:
            return json.loads(self.text) if self.text else None
        except (ValueError, RecursionError):
            raise HostError("the server's answer is not JSON: check GITHUB_API_URL") from None

    @property
    def message(self) -> str:
        """What the server says about a failure. Untrusted."""
        try:
            content = json.loads(self.text)
        except (ValueError, RecursionError):
            return ""
        message = content.get("message") if isinstance(content, dict) else None
        return message if isinstance(message, str) else ""


def error_of(answer: Answer) -> HostError:
    """Why the call failed for good, and the way out."""
    if answer.is_missing:
        if answer.status:
            return HostError(f"the server failed ({answer.status}), again and again: run this again later")
        return HostError("the server cannot be reached, or does not answer in time: run this again later")
    if answer.is_limit:
        return HostError("GitHub's rate limit is reached, and lasts longer than we wait: run this again later")
    if answer.is_redirect:
        return HostError(f"the server sends us to another address ({answer.status}): check GITHUB_API_URL")
    match answer.status:
        case 401:
            return UnauthorizedError("the token is not valid (401): check GITHUB_TOKEN")
        case 403 if "locked" in answer.message.lower():
            return HostError("the conversation is locked (403): unlock it for comments")
        case 403:
            return HostError(f"{TWO_STAGES} (403{_said(answer)})")
        case 404 | 410:
            return MissingError(f"the pull request is not there, or the token may not read it ({answer.status})")
    return HostError(f"the server refused ({answer.status}{_said(answer)})")


def _said(answer: Answer) -> str:
    return f": {inert(answer.message)}" if answer.message else ""
