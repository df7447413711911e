"""Everything that a run says on GitHub: the comment, the check run, the release.

Each part is tried whatever became of the others, and what failed is reported together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coral_action.config.paths import is_git_folder
from coral_action.counts import plural
from coral_action.errors import GitHubError, UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.baseline import AUTOMATIC, find_baseline, read_baseline
from coral_action.github.checks import Conclusion, check_name, publish_check
from coral_action.github.comment import CommentWriter
from coral_action.github.comment_body import Section
from coral_action.github.context import Context, PullRequest
from coral_action.github.faults import ApiError, Reason
from coral_action.github.inputs import ActionInputs
from coral_action.github.outputs import made_files
from coral_action.github.pulls import find_pull_request
from coral_action.github.release import ReleaseWriter
from coral_action.github.release_notes import report_copy
from coral_action.github.rendering import Rendering
from coral_action.report.model import Report
from coral_action.report.notices import Notice

Say = Callable[[str], None]


@dataclass
class Publisher:
    """One job's dealings with GitHub; what went wrong is kept in `errors`."""

    api: GitHubApi
    context: Context
    inputs: ActionInputs
    say: Say
    errors: list[GitHubError] = field(default_factory=list)
    comment_url: str = ""
    release_url: str = ""
    pull: PullRequest | None = None

    def find_pull_request(self) -> None:
        """Learn which pull request this is about, if any."""
        with self._noting("pull request"):
            self.pull = find_pull_request(self.api, self.context)

    def find_baseline(self) -> Report | None:
        """The report to compare with; a missing one never fails a run.

        Raises:
            UsageError: if the file that the input names is no report.
        """
        wanted = self.inputs.baseline
        if isinstance(wanted, Path):
            return read_baseline(wanted)
        if wanted != AUTOMATIC:
            return None
        try:
            name = check_name(self.inputs.comment_key)
            return find_baseline(self.api, self.context, self.pull, name)
        except ApiError as error:
            self.say(f"no baseline: {error.message}")
            return None

    def publish_comment(self, rendering: Rendering) -> None:
        """Create or update the comment on the pull request, if there is one."""
        if self.inputs.comment == "off" or self.pull is None:
            return
        with self._noting("comment"):
            config = self.inputs.config.relative_to(self.inputs.workspace)
            part = f"{config.as_posix()}\0{' '.join(self.inputs.models)}"
            section = Section.of(self.context, part)
            writer = CommentWriter(
                self.api, self.context.repository, self.pull, self.inputs.comment_key
            )
            outcome = writer.publish(section, rendering.within, self.inputs.comment)
            self.comment_url = outcome.url
            self.say(f"comment: {outcome.action} {outcome.url}".rstrip())

    def publish_check(
        self, rendering: Rendering, conclusion: Conclusion, notices: list[Notice]
    ) -> None:
        """Create the check run, if it is asked for."""
        if not self.inputs.checks:
            return
        commit = self.pull.head_commit if self.pull else self.context.commit
        with self._noting("check run"):
            name = check_name(self.inputs.comment_key)
            url = publish_check(
                self.api, self.context, commit, name, conclusion, rendering, notices
            )
            self.say(f"check run: {conclusion} {url}".rstrip())

    def publish_release(self, report: Report) -> None:
        """Upload the files, if a tag is given.

        Raises:
            UsageError: if a pattern in `release-files` matches nothing, or a file can't be read.
        """
        if not self.inputs.release_tag:
            return
        files = release_files(report, self.inputs)
        with self._noting("release"):
            writer = ReleaseWriter(
                self.api,
                self.context.repository,
                self.inputs.release_tag,
                commit=self.context.commit,
                server_url=self.context.server_url,
            )
            outcome = writer.publish(files, report)
            self.release_url = outcome.url
            self.say(
                f"release: {plural(len(outcome.uploaded), 'file')} uploaded, "
                f"{len(outcome.unchanged)} unchanged {outcome.url}"
            )

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Keep an error of GitHub's, but for what a job without rights can't help."""
        try:
            yield
        except GitHubError as error:
            permission = isinstance(error, ApiError) and error.reason is Reason.PERMISSION
            if permission and self.context.token_is_read_only:
                self.say(
                    f"{what}: left out, as jobs of forks and of Dependabot may only read; the "
                    "report is in the summary (docs/github.md, Forks, tells how to comment)"
                )
                return
            self.errors.append(GitHubError(f"{what}: {error.message}", hint=error.hint))


def _is_inside(path: Path, workspace: Path) -> bool:
    """A release is public: neither files from elsewhere, nor the token that a checkout keeps."""
    real = path.resolve()
    return real.is_relative_to(workspace) and not is_git_folder(real.relative_to(workspace))


def release_files(report: Report, inputs: ActionInputs) -> list[Path]:
    """What goes into a release: the models, the report, and what `release-files` names.

    Raises:
        UsageError: if a pattern matches no file, or one outside of the workspace.
    """
    files = [inputs.workspace / path for path in made_files(report)]
    if links := [path for path in files if path.is_symlink()]:
        raise UsageError(f"{links[0]}: a link, where a run leaves a file")
    files.append(report_copy(inputs.output / "report.json"))
    for pattern in inputs.release_files:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise UsageError(f"input release-files: {pattern} lies outside of the workspace")
        found = sorted(path for path in inputs.workspace.glob(pattern) if path.is_file())
        outside = [path for path in found if not _is_inside(path, inputs.workspace)]
        if not found or outside:
            what = "leads out of the workspace, or into .git" if outside else "matches no file"
            raise UsageError(f"input release-files: {pattern} {what}")
        files += found
    return files
