# ruff: noqa: T201
"""Switches off each defence of the child, one at a time, and shows which test notices.

Usage: python tests/security/mutate.py [NAME ...]

Works on a copy of the project in a temporary folder. Prints a row of docs/sandbox.md's table for
each defence; fails if one can be switched off without a test failing, or is not found any more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_TOKEN = "test_attack_token.py::test_token_is_out_of_reach"
_PARTS = ("coral_action", "tests", "examples", "entrypoint.py", "pyproject.toml")


@dataclass(frozen=True)
class Mutation:
    """A defence, the text that makes it, what stands there without it, and the test to run."""

    name: str
    file: str
    text: str
    without: str
    test: str


MUTATIONS = (
    Mutation(
        "environment by allow-list",
        "isolation.py",
        "            env=_child_environment(str(self.path)),",
        "            env=dict(os.environ),",
        f"{_TOKEN}[own_environment]",
    ),
    Mutation(
        "Landlock and capabilities: /proc of the parent (a root parent)",
        "sandbox/apply.py",
        "    identity = _choose_identity(policy, files)\n    _restrict_files(files, strength)\n",
        "    return strength\n    identity = _choose_identity(policy, files)\n",
        f"{_TOKEN}[environment_of_the_parent]",
    ),
    Mutation(
        "Landlock: files",
        "sandbox/apply.py",
        "    _restrict_files(files, strength)\n    kept",
        "    kept",
        f"{_TOKEN}[file_of_the_runner]",
    ),
    Mutation(
        "links in the workspace grant nothing",
        "sandbox/policy.py",
        " and not e.is_symlink()",
        "",
        f"{_TOKEN}[link_to_a_file_of_the_runner]",
    ),
    Mutation(
        ".git is not read",
        "repositories.py",
        'name.casefold().rstrip(". ") == ".git"',
        "False",
        f"{_TOKEN}[git_config]",
    ),
    Mutation(
        "nor that of a checkout beside",
        "sandbox/policy.py",
        "denied = set(git_entries(top))",
        "denied: set[Path] = set()",
        f"{_TOKEN}[git_config_of_a_checkout_beside]",
    ),
    Mutation(
        "nor the folder behind a .git that is a file",
        "sandbox/policy.py",
        " if top in folder.parents)\n    on_the_way",
        " if False)\n    on_the_way",
        f"{_TOKEN}[git_config_of_a_worktree]",
    ),
    Mutation(
        "no inherited descriptors",
        "sandbox/apply.py",
        "    close_descriptors(kept_descriptors)\n",
        "",
        "test_sandbox.py::test_descriptors_are_closed",
    ),
    Mutation(
        "seccomp: no sockets",
        "sandbox/seccomp.py",
        "(41, 101, ",
        "(9999, 101, ",
        f"{_TOKEN}[docker_socket]",
    ),
    Mutation(
        "seccomp: no io_uring",
        "sandbox/seccomp.py",
        "304, 312, 425, 438),\n    (112",
        "304, 312, 9999, 438),\n    (112",
        "test_sandbox.py::test_calls_into_other_processes[425]",
    ),
    Mutation(
        "seccomp: no ptrace",
        "sandbox/seccomp.py",
        "(41, 101, ",
        "(41, 9999, ",
        "test_sandbox.py::test_calls_into_other_processes[101]",
    ),
    Mutation(
        "seccomp: no key rings",
        "sandbox/seccomp.py",
        "308, 250, 248",
        "308, 9999, 248",
        f"{_TOKEN}[key_of_the_session]",
    ),
    Mutation(
        "seccomp: nobody leaves the group",
        "sandbox/seccomp.py",
        "    (112, 109), 56,",
        "    (), 56,",
        "test_attack_resources.py::test_nothing_outlives_the_child",
    ),
    Mutation(
        "capabilities are dropped",
        "sandbox/apply.py",
        "        drop_capabilities(kept)\n",
        "",
        "test_sandbox.py::test_root_without_capabilities_is_no_root",
    ),
    Mutation(
        "another user",
        "sandbox/apply.py",
        "        drop_privileges(",
        "        (lambda *_, **__: None)(",
        "test_sandbox.py::test_root_becomes_another_user_for_good",
    ),
    Mutation(
        "the parent hides from its own user",
        "sandbox/process.py",
        "        prctl(PR_SET_DUMPABLE, number(0))",
        "        pass",
        "test_sandbox.py::test_parent_hides_from_a_child_of_the_same_user",
    ),
    Mutation(
        "processes are counted",
        "watching.py",
        "if crowd.is_too_large():",
        "if False:",
        "test_attack_resources.py::test_fork_bomb",
    ),
    Mutation(
        "limit of memory",
        "sandbox/limits.py",
        "        limit(resource.RLIMIT_DATA, self.memory_bytes)\n",
        "",
        "test_attack_resources.py::test_memory_hog",
    ),
    Mutation(
        "limit of file size",
        "sandbox/limits.py",
        "        limit(resource.RLIMIT_FSIZE, self.file_bytes)\n",
        "",
        "test_attack_resources.py::test_sparse_file",
    ),
    Mutation(
        "limit of time",
        "watching.py",
        "        if left <= 0:",
        "        if left <= -100:",
        "test_attack_resources.py::test_endless",
    ),
    Mutation(
        "no core files; limit of processor time",
        "sandbox/limits.py",
        "        limit(resource.RLIMIT_CORE, 0)\n",
        "",
        "test_attack_resources.py::test_limits_that_are_always_there",
    ),
    Mutation(
        "the child is killed first",
        "sandbox/apply.py",
        "    be_killed_first()\n",
        "",
        "test_attack_resources.py::test_limits_that_are_always_there",
    ),
    Mutation(
        "the compiler is sandboxed",
        "sandbox/launch.py",
        'apply(Policy.from_json(start["policy"]), frozenset({descriptor}))',
        "__import__('coral_action.sandbox').sandbox.Strength()",
        "test_attack_resources.py::test_compiler_has_the_same_limits",
    ),
    Mutation(
        "the compiler is held to the workspace",
        "isolation.py",
        "    return _ROOTS[-1] if _ROOTS else Path(named) if named else None",
        "    return None",
        "test_attack_resources.py::test_compiler_sees_the_workspace_alone",
    ),
    Mutation(
        "... with --workspace as well",
        "pipeline.py",
        "with programs_confined_to(options.paths.root), scratch",
        "with scratch",
        "test_attack_resources.py::test_pipeline_confines_the_compiler",
    ),
    Mutation(
        "what a child made is opened without following links",
        "output_files.py",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDONLY | os.O_NONBLOCK",
        "test_attack_outputs.py::test_what_is_no_file_is_not_taken",
    ),
    Mutation(
        "what a child made is a plain file",
        "output_files.py",
        "if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:",
        "if False:",
        "test_attack_outputs.py::test_what_is_no_file_is_not_taken",
    ),
    Mutation(
        "the child's output is read by the parent's descriptor",
        "isolation.py",
        "        size = os.fstat(self._output.fileno()).st_size\n",
        "        return (self.path / 'output.log').read_text()\n",
        "test_attack_outputs.py::test_the_parents_own_files_are_not_followed[link-output.log]",
    ),
    Mutation(
        "a result has so many elements at most",
        "endings.py",
        "            self._refuse_many(content)\n",
        "",
        "test_attack_outputs.py::test_result_that_unfolds",
    ),
    Mutation(
        "reports replace links",
        "report/files.py",
        "            write_file(folder / name, content)",
        "            (folder / name).write_text(content)",
        "test_attack_outputs.py::test_reports_do_not_go_where_the_branch_wants_them[link]",
    ),
    Mutation(
        "new files have names that nobody can prepare",
        "output_files.py",
        '    partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")',
        '    partial = target.with_name(f"{target.name}.part")',
        "test_attack_outputs.py::test_reports_do_not_go_where_the_branch_wants_them[fifo]",
    ),
    Mutation(
        "code in a model needs permission",
        "loading/child.py",
        '        allow_custom_code=request["allow_custom_code"],',
        "        allow_custom_code=True,",
        "test_attack_files.py::test_stopped_and_said[lambda_keras]",
    ),
    Mutation(
        "a hook needs permission",
        "data/python_function.py",
        "        if not allowed:",
        "        if False:",
        "test_attack_files.py::test_stopped_and_said[hook]",
    ),
    Mutation(
        "model files have a size limit",
        "loading/formats.py",
        "        if size > MAX_MODEL_BYTES:",
        "        if False:",
        "test_attack_files.py::test_stopped_and_said[sparse_tflite]",
    ),
)


def main(names: list[str]) -> int:
    """Try them all, or those that are named; the number of defences that no test holds."""
    missed = 0
    for mutation in MUTATIONS:
        if names and not any(name in mutation.name for name in names):
            continue
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            noticed = _noticed(mutation, Path(folder))
        missed += not noticed
        print(f"| {mutation.name} | `{mutation.test}` | {'fails' if noticed else 'PASSES'} |")
    return missed


def _noticed(mutation: Mutation, folder: Path) -> bool:
    folder.chmod(0o755)
    for part in _PARTS:
        source = PROJECT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".git", "container")
            shutil.copytree(source, folder / part, ignore=ignored)
        else:
            shutil.copy(source, folder / part)
    file = folder / "coral_action" / mutation.file
    content = file.read_text()
    if content.count(mutation.text) != 1:
        raise SystemExit(f"{mutation.name}: its text is not once in {mutation.file}")
    file.write_text(content.replace(mutation.text, mutation.without))
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    finished = subprocess.run(
        [*words, f"tests/security/{mutation.test}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if finished.returncode not in (0, 1):
        raise SystemExit(f"{mutation.name}: {finished.stdout}{finished.stderr}")
    return finished.returncode == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
