"""What the image is: its size, its configuration, and what is in it and what is not."""

from __future__ import annotations

import bases
import engine
import runner

SIZE_LIMIT = 1_150_000_000  # bytes, uncompressed, base included


def inside(image: str, script: str) -> str:
    """The output of a shell script in the image."""
    finished = runner.start(["--network", "none", "--entrypoint", "sh"], image, "-euc", script)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_size(image: str) -> None:
    assert engine.inspect(image)["Size"] <= SIZE_LIMIT


def test_starts_as_github_requires(image: str) -> None:
    config = engine.inspect(image)["Config"]
    program, *_ = config["Entrypoint"]
    assert program.startswith("/"), "the runner sets the working folder"
    assert config.get("User", "") in ("", "0", "root")
    assert config.get("WorkingDir", "") in ("", "/")
    assert not config.get("Volumes")


def test_environment_is_the_base_image_s(image: str) -> None:
    names = [set(engine.inspect(i)["Config"].get("Env") or []) for i in (image, base_name())]
    assert names[0] == names[1]


def base_name() -> str:
    return bases.pinned_base()[0]


def test_labels(image: str) -> None:
    labels = engine.inspect(image)["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert {
        f"{prefix}{name}"
        for name in (
            *("title", "description", "licenses", "source", "documentation", "vendor"),
            *("version", "revision", "base.name"),
        )
    } <= set(labels)
    assert labels[f"{prefix}licenses"] == "Apache-2.0"
    assert labels[f"{prefix}base.name"] == base_name()


def test_users_and_git(image: str) -> None:
    said = inside(image, "id -u; id -u coral-child; id -g coral-child; cat /etc/gitconfig")
    me, child, group, *git = said.split("\n", 3)
    assert (me, child, group) == ("0", "64100", "64100")
    assert git == ["[safe]\n\tdirectory = /github/workspace\n"]


def test_holds_no_tools_and_no_compiler(image: str) -> None:
    said = inside(
        image,
        "for name in edgetpu_compiler gcc git curl; do command -v $name && exit 1; done;"
        "cd /opt/coral/lib/python3.11/site-packages;"
        "ls -d pip setuptools wheel tensorflow/include 2>/dev/null && exit 1; echo none",
    )
    assert said == "none\n"


def test_licences_are_kept(image: str) -> None:
    said = inside(
        image,
        "cd /opt/coral/lib/python3.11/site-packages; ls tensorflow/THIRD_PARTY_NOTICES.txt;"
        "for info in *.dist-info; do test -s $info/METADATA || echo lost $info; done;"
        "find . -path '*coral_quantize*' -name LICENSE",
    )
    assert "lost" not in said
    assert "THIRD_PARTY_NOTICES" in said
    assert "LICENSE" in said.splitlines()[-1]


def test_bytecode_is_used(image: str) -> None:
    """A module without bytecode is compiled anew at each start: half a second for `check`."""
    said = inside(
        image,
        "cd /tmp && /opt/coral/bin/python -I -v -c "
        "'import coral_action.cli, coral_action.pipeline, numpy, ai_edge_litert.interpreter' 2>&1"
        " | grep -c '^# code object from .*[.]py.$' || true",
    )
    assert said == "0\n"
