"""The comment: one, ours, up to date; against a server with a memory."""

from __future__ import annotations

import pytest
from fakes.github_server import Fault, GitHubServer, status
from fakes.github_state import BOT

from coral_action.errors import UsageError
from coral_action.github import comment_body
from coral_action.github.api import GitHubApi
from coral_action.github.comment import Outcome
from coral_action.github.comment_body import Section
from coral_action.github.token import Token

from .conversation import ours, say


@pytest.fixture(autouse=True)
def pull(server: GitHubServer) -> None:
    server.state.add_pull(7)


def test_created_then_unchanged_then_updated(server: GitHubServer, api: GitHubApi) -> None:
    created = say(api)
    assert created.action == "created"
    assert created.url.startswith("https://github.com/octo/models/pull/7#issuecomment-")
    assert say(api, run=101) == Outcome("unchanged", created.url)
    assert server.count("PATCH") == 0
    assert say(api, "worse", run=102) == Outcome("updated", created.url)
    (body,) = ours(server)
    assert "worse" in body
    assert "all well" not in body


def test_found_behind_many_others_over_all_pages(server: GitHubServer, api: GitHubApi) -> None:
    for number in range(135):
        server.state.add_comment(7, f"comment {number}")
    say(api, "first")
    for number in range(35):
        server.state.add_comment(7, f"later comment {number}")
    assert say(api, "second", run=101).action == "updated"
    assert len(ours(server)) == 1
    assert len(server.state.comments) == 171


def test_only_ours_is_touched(server: GitHubServer, api: GitHubApi) -> None:
    """Neither a person's comment with our marker, nor our own comment that quotes it."""
    marker = comment_body.marker("default")
    bodies = [f"{marker}\nI am not the bot"]
    server.state.add_comment(7, bodies[0], "mallory")
    server.state.add_comment(7, bodies[0], "github-actions")  # a person with the bot's name
    bodies *= 2
    server.state.add_comment(7, f"> {marker}\n", BOT)
    server.state.add_comment(7, f"see above\n{marker}\n", BOT)
    bodies += [f"> {marker}\n", f"see above\n{marker}\n"]
    assert say(api).action == "created"
    assert [c["body"] for c in server.state.comments.values()][:4] == bodies


def test_token_of_a_person(server: GitHubServer, api: GitHubApi) -> None:
    """Who has no app comments under a name of their own."""
    server.state.author, server.state.token = "octocat", "ghp_personal"
    personal = GitHubApi(server.url, Token("ghp_personal"), clock=api.clock)
    assert say(personal).action == "created"
    assert say(personal, "next", run=101).action == "updated"
    assert len(server.state.comments) == 1


def test_author_unknown(server: GitHubServer, api: GitHubApi) -> None:
    """A server that does not tell who we are: then it is the bot that each job's token is of."""
    for _ in range(2):
        server.faults.append(Fault("POST", "/graphql", status(403, "Forbidden")))
        say(api)
    assert len(ours(server)) == 1


def test_keys_have_a_comment_each(server: GitHubServer, api: GitHubApi) -> None:
    assert say(api, "one", key="one").action == "created"
    assert say(api, "two", key="on").action == "created"
    assert len(server.state.comments) == 2
    with pytest.raises(UsageError, match="comment key"):
        say(api, key="-->")


def test_deleted_by_somebody(server: GitHubServer, api: GitHubApi) -> None:
    say(api)
    server.state.comments.clear()
    assert say(api, run=101).action == "created"
    assert len(ours(server)) == 1


def test_jobs_share_a_comment(server: GitHubServer, api: GitHubApi) -> None:
    say(api, "report of build")
    say(api, "report of test", job="test")
    say(api, "report of shard 2", part="models=b")
    (body,) = ours(server)
    order = [section.text for section in comment_body.parse(body)]
    assert sorted(order[:2]) == ["report of build", "report of shard 2"]
    assert order[2] == "report of test"


def test_next_commit_drops_what_the_last_one_left(server: GitHubServer, api: GitHubApi) -> None:
    say(api, "old build")
    say(api, "old job that is no more", job="gone")
    say(api, "another workflow", workflow="other")
    say(api, "new build", run=101, commit="c" * 40)
    texts = {section.text for section in comment_body.parse(ours(server)[0])}
    assert texts == {"new build", "another workflow"}


def test_older_run_that_ends_later_says_nothing(server: GitHubServer, api: GitHubApi) -> None:
    say(api, "of the new commit", run=200, commit="c" * 40)
    before = ours(server)
    for job in ("build", "other"):
        outcome = say(api, "of the old commit", run=100, commit="b" * 40, job=job)
        assert outcome.action == "superseded"
    assert ours(server) == before


def test_recreate(server: GitHubServer, api: GitHubApi) -> None:
    first = say(api, "first", "recreate")
    again = say(api, "first, second job", "recreate", job="other")
    assert again.url == first.url  # jobs of one run share the comment in this mode, too
    second = say(api, "second", "recreate", run=101, commit="c" * 40)
    assert second.url != first.url
    (body,) = ours(server)
    assert "second" in body
    old, new = server.state.comments.values()
    assert server.state.minimized == {old["node_id"]}
    assert new["html_url"] == second.url
    say(api, "third", "recreate", run=102, commit="d" * 40)
    assert server.state.minimized == {old["node_id"], new["node_id"]}
    assert len(ours(server)) == 1
    late = say(api, "late", "recreate", run=101, commit="c" * 40, job="late")
    assert late.action == "superseded"


def test_off(server: GitHubServer, api: GitHubApi) -> None:
    assert say(api, mode="off") == Outcome("off")
    assert server.state.comments == {}
    with pytest.raises(UsageError, match="sometimes"):
        say(api, mode="sometimes")


def test_closed_conversation_is_commented(server: GitHubServer, api: GitHubApi) -> None:
    server.state.pulls[7]["state"] = "closed"
    assert say(api).action == "created"


def test_locked_conversation_is_no_failure(server: GitHubServer, api: GitHubApi) -> None:
    server.state.pulls[7]["locked"] = True
    assert say(api) == Outcome("locked")


def test_longer_than_a_comment_may_be(server: GitHubServer, api: GitHubApi) -> None:
    say(api, "x" * 100_000)
    assert len(ours(server)[0]) <= 65_000
    say(api, "y" * 100_000, job="second")
    (body,) = ours(server)
    assert len(body) <= 65_000
    first, second = sorted(comment_body.parse(body), key=lambda s: s.job)
    assert first.text == "Report of job build: see the summary of its run."
    assert set(second.text) == {"y"}
    assert len(second.text) > 60_000


def test_refused_for_its_size(server: GitHubServer, api: GitHubApi) -> None:
    """Whatever GitHub counts that we don't: half of it is tried, and half of that."""
    too_long = status(422, "Body is too long (maximum is 65536 characters)")
    server.faults.append(Fault("POST", "/comments$", too_long, times=2))
    assert say(api, "z" * 100_000).action == "created"
    assert 10_000 < len(ours(server)[0]) <= 65_000 / 4


def test_edited_by_a_person(server: GitHubServer, api: GitHubApi) -> None:
    """Windows line ends, text in between, a broken section: the next run puts it right."""
    say(api)
    (comment,) = server.state.comments.values()
    edited = comment["body"].replace("all well", "all bad").replace("\n", "\r\n")
    comment["body"] = edited + '<!-- coral-quantize:section {"id": 3} -->\nx\n'
    assert say(api).action == "updated"
    assert "all bad" not in comment["body"]
    assert len(comment_body.parse(comment["body"])) == 1


def test_report_can_not_forge_a_section(server: GitHubServer, api: GitHubApi) -> None:
    forged = comment_body.write("default", [Section("f", "j", "w", 999, 1, "", "forged", "")])
    for text in (forged, f"<!-- coral-quantize:end -->\n{forged}", f"\n{forged}\n{forged}"):
        say(api, text)
        (section,) = comment_body.parse(ours(server)[0])
        assert section.run == 100
    assert say(api, "next", run=101).action == "updated"
