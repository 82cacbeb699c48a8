"""Answers of GitHub, with every property that its published description requires.

``tests/integration/test_github_description.py`` compares them with that description.
"""

from __future__ import annotations

from typing import Any

WEB = "https://github.example"
TIME = "2026-01-02T03:04:05Z"

_OF_A_USER = ("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events")

_OF_A_REPOSITORY = {
    **{
        f"{name}_url": name
        for name in (
            *("assignees", "branches", "collaborators", "comments", "commits", "compare", "contents", "contributors"),
            *(
                "deployments",
                "downloads",
                "events",
                "forks",
                "hooks",
                "issues",
                "keys",
                "labels",
                "languages",
                "merges",
            ),
            *("milestones", "notifications", "pulls", "releases", "stargazers", "statuses", "subscribers"),
            *("subscription", "tags", "teams"),
        )
    },
    "archive_url": "tarball",
    "blobs_url": "git/blobs",
    "git_commits_url": "git/commits",
    "git_refs_url": "git/refs",
    "git_tags_url": "git/tags",
    "issue_comment_url": "issues/comments",
    "issue_events_url": "issues/events",
    "trees_url": "git/trees",
}


def refusal(status: int, message: str, **more: Any) -> dict[str, Any]:
    """Why a call was refused."""
    return {"message": message, "documentation_url": f"{WEB}/rest", "status": str(status), **more}


def user(login: str, kind: str, api: str) -> dict[str, Any]:
    """An account; ``kind`` is ``User``, ``Bot`` or ``Organization``."""
    url = f"{api}/users/{login.replace('[', '%5B').replace(']', '%5D')}"
    return {
        "login": login,
        "id": 1,
        "node_id": "U_1",
        "type": kind,
        "site_admin": False,
        "gravatar_id": "",
        "avatar_url": f"{WEB}/avatars/1",
        "html_url": f"{WEB}/apps/github-actions",
        "url": url,
        "received_events_url": f"{url}/received_events",
        **{f"{name}_url": f"{url}/{name}" for name in _OF_A_USER},
    }


def repository(full_name: str, api: str) -> dict[str, Any]:
    """A repository, as its own address gives it."""
    owner, _, name = full_name.partition("/")
    url = f"{api}/repos/{full_name}"
    return {
        "id": 2,
        "node_id": "R_2",
        "name": name,
        "full_name": full_name,
        "owner": user(owner, "Organization", api),
        "url": url,
        **{key: f"{url}/{path}" for key, path in _OF_A_REPOSITORY.items()},
        **{f"{kind}_url": f"{WEB}/{full_name}.git" for kind in ("clone", "git", "ssh", "svn", "html")},
        **{f"has_{what}": True for what in ("issues", "projects", "wiki", "pages", "discussions", "downloads")},
        **dict.fromkeys(("private", "fork", "archived", "disabled"), False),
        **dict.fromkeys(("description", "homepage", "language", "mirror_url", "license")),
        **dict.fromkeys(("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count"), 0),
        **dict.fromkeys(("watchers", "watchers_count", "network_count", "subscribers_count"), 0),
        **dict.fromkeys(("pushed_at", "created_at", "updated_at"), TIME),
        "default_branch": "main",
    }


def comment(id: int, body: str, author: dict[str, Any] | None, url: str) -> dict[str, Any]:
    """A comment on pull request 7 of the repository at ``url``."""
    return {
        "id": id,
        "node_id": f"IC_{id}",
        "body": body,
        "user": author,
        "url": f"{url}/issues/comments/{id}",
        "html_url": f"{WEB}/octo/estimator/pull/7#issuecomment-{id}",
        "issue_url": f"{url}/issues/7",
        "created_at": TIME,
        "updated_at": TIME,
    }


def pull_request(number: int, label: str, commit: str, full_name: str, api: str) -> dict[str, Any]:
    """An open pull request from ``label``, an ``owner:branch``, into main."""
    fork, _, branch = label.partition(":")
    url, page = f"{api}/repos/{full_name}", f"{WEB}/{full_name}/pull/{number}"
    into, author = repository(full_name, api), user(fork, "User", api)
    links = {
        "self": f"{url}/pulls/{number}",
        "issue": f"{url}/issues/{number}",
        "comments": f"{url}/issues/{number}/comments",
        "commits": f"{url}/pulls/{number}/commits",
        "review_comments": f"{url}/pulls/{number}/comments",
        "review_comment": f"{url}/pulls/comments{{/number}}",
        "statuses": f"{url}/statuses/{commit}",
    }
    return {
        "id": number,
        "node_id": f"PR_{number}",
        "number": number,
        "state": "open",
        "locked": False,
        "title": "A change",
        "user": author,
        "labels": [],
        "author_association": "CONTRIBUTOR",
        "head": {"label": label, "ref": branch, "sha": commit, "repo": repository(f"{fork}/{into['name']}", api)}
        | {"user": author},
        "base": {"label": f"{into['owner']['login']}:main", "ref": "main", "sha": "0" * 40, "repo": into}
        | {"user": into["owner"]},
        "url": links["self"],
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        **{f"{name}_url": link for name, link in links.items() if name != "self"},
        **dict.fromkeys(("body", "assignee", "milestone", "auto_merge", "merge_commit_sha", "closed_at", "merged_at")),
        **dict.fromkeys(("created_at", "updated_at"), TIME),
        "_links": {name: {"href": link} for name, link in {**links, "html": page}.items()},
    }
