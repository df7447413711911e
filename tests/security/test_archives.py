"""Archives of a stranger: nothing leaves the folder, only files are made, sizes are bounded."""

from __future__ import annotations

import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coral_action.download.archive import Bounds, unpack, unpack_task
from coral_action.errors import DownloadError, ModelError
from coral_action.isolation import Reading, run_isolated
from coral_action.loading import formats
from coral_action.loading.interface import LoadRequest
from coral_action.loading.keras_config import read_config

SMALL = Bounds(files=20, total_bytes=1_000_000, ratio=50, free_bytes=10_000, depth=5)
GOOD = {"saved_model.pb": b"model", "variables/variables.index": b"i", "a b/ü.txt": b""}
Unpack = Callable[..., int]


def make_zip(path: Path, files: dict[str, bytes], mode: int = 0, **options: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def tar_of(path: Path, **fields: object) -> Path:
    """A tar with one entry of any kind."""
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("entry")
        for name, value in fields.items():
            setattr(entry, name, value)
        archive.addfile(entry)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "inside" / "folder"
    folder.mkdir(parents=True)
    return folder


def outside(place: Path, package: Path) -> list[Path]:
    """What is beside the folder that was unpacked into."""
    return [p for p in place.parent.parent.rglob("*") if p not in (package, place, place.parent)]


def refused(package: Path, place: Path, why: str, bounds: Bounds = SMALL) -> None:
    with pytest.raises(DownloadError, match=why) as raised:
        unpack(package, place, "https://x.example/a", bounds)
    assert "\n" not in raised.value.message
    inside = set(place.rglob("*"))
    assert [p for p in outside(place, package) if p not in inside] == []
    assert not any(p.is_symlink() or not (p.is_file() or p.is_dir()) for p in inside)


@pytest.mark.parametrize("form", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
def test_good_ones_are_unpacked(tmp_path: Path, place: Path, form: str) -> None:
    package = tmp_path / "package"
    make_zip(package, GOOD) if form == "zip" else make_tar(package, GOOD, form)
    assert unpack(package, place, "x") == 3
    assert {p.relative_to(place).as_posix(): p.read_bytes() for p in files_of(place)} == GOOD
    assert {stat.S_IMODE(p.stat().st_mode) & 0o111 for p in files_of(place)} == {0}


def files_of(place: Path) -> list[Path]:
    return [path for path in place.rglob("*") if path.is_file()]


def test_folders_and_the_folder_itself(tmp_path: Path, place: Path) -> None:
    with tarfile.open(tmp_path / "package", "w") as archive:
        for name in (".", "./a", "./a/b"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
    assert unpack(tmp_path / "package", place, "x") == 3
    assert (place / "a" / "b").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "a/../../escaped",
        "/tmp/escaped",
        "//escaped",
        "..",
        "a\\..\\..\\escaped",
        "C:\\escaped",
        "c:escaped",
        "a\x01b",
        "a\nb",
        "x" * 1001,
        "/".join("abcdef"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_that_lead_out_or_deceive(tmp_path: Path, place: Path, name: str, form: str) -> None:
    make = make_zip if form == "zip" else make_tar
    refused(make(tmp_path / "package", {"ok": b"1", name: b"2"}), place, "an entry is called")


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "inside"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "entry2"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
    ],
)
def test_tar_holds_files_and_folders_only(
    tmp_path: Path, place: Path, kind: bytes, target: str
) -> None:
    package = tar_of(tmp_path / "package", type=kind, linkname=target)
    refused(package, place, r"neither a file nor a folder|no archive that can be read")


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]
)
def test_zip_holds_files_and_folders_only(tmp_path: Path, place: Path, kind: int) -> None:
    package = make_zip(tmp_path / "package", {"link": b"/etc/passwd"}, mode=kind | 0o777)
    refused(package, place, "neither a file nor a folder")


def test_link_then_a_file_through_it(tmp_path: Path, place: Path) -> None:
    with tarfile.open(tmp_path / "package", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        archive.addfile(link)
        entry = tarfile.TarInfo("link/escaped")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    refused(tmp_path / "package", place, "neither a file nor a folder")


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_bounds(tmp_path: Path, place: Path, form: str) -> None:
    make = make_zip if form == "zip" else make_tar
    noise = random.Random(1).randbytes
    package = tmp_path / "package"
    refused(make(package, {f"f{n}": b"x" for n in range(21)}), place, "more than 20 files")
    package.unlink()
    make(package, {f"l{n}": noise(300_000) for n in range(4)})
    refused(package, place, "more than 1,000,000 bytes when unpacked")
    package.unlink()
    refused(make(package, {"b": bytes(900_000)}), place, "more than 50 times its size")


def test_zip_that_lies_about_its_sizes(tmp_path: Path, place: Path) -> None:
    """The declared size is patched to 1 byte; the content is a bomb all the same."""
    package = make_zip(tmp_path / "package", {"bomb": bytes(900_000)})
    content = package.read_bytes()
    package.write_bytes(content.replace((900_000).to_bytes(4, "little"), (1).to_bytes(4, "little")))
    refused(package, place, r"no archive that can be read|times its size")
    assert sum(p.stat().st_size for p in files_of(place)) <= SMALL.ratio * package.stat().st_size


def test_overlapping_entries(tmp_path: Path, place: Path) -> None:
    """Many entries that share one content: what comes out is what counts (a bomb of 2019)."""
    package = make_zip(tmp_path / "package", {"a": bytes(9_000), "b": bytes(9_000)})
    content = bytearray(package.read_bytes())
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    content[second + 42 : second + 46] = bytes(4)  # the second entry begins where the first does
    package.write_bytes(content)
    refused(package, place, r"no archive that can be read|times its size")


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_two_entries_of_one_name(tmp_path: Path, place: Path, form: str) -> None:
    package = tmp_path / "package"
    if form == "zip":
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(package, "w") as z:
            z.writestr("a", b"1")
            z.writestr("a", b"2")
    else:
        with tarfile.open(package, "w") as archive:
            for content in (b"1", b"2"):
                entry = tarfile.TarInfo("a")
                entry.size = 1
                archive.addfile(entry, io.BytesIO(content))
    refused(package, place, "two entries are called")


def test_a_file_that_is_a_folder(tmp_path: Path, place: Path) -> None:
    refused(make_tar(tmp_path / "package", {"a": b"1", "a/b": b"2"}), place, "a file and a folder")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\x03\x04" + bytes(50), b"\x1f\x8b" + bytes(50), b"BZh9x", bytes(600)],
)
def test_what_is_no_archive(tmp_path: Path, place: Path, content: bytes) -> None:
    package = tmp_path / "package"
    package.write_bytes(content)
    if content == bytes(600):  # an empty tar: blocks of zeros
        assert unpack(package, place, "x") == 0
        return
    refused(package, place, "no archive that can be read")


@pytest.mark.parametrize("form", ["zip", "w", "w:gz", "w:xz"])
def test_damaged_ones_from_a_fixed_seed(tmp_path: Path, form: str) -> None:
    """Cut short or with flipped bits: unpacked, or refused in one line; never anything else."""
    package = tmp_path / "package"
    make_zip(package, GOOD) if form == "zip" else make_tar(package, GOOD, form)
    whole, rng = package.read_bytes(), random.Random(20261123)
    for number in range(150):
        content = bytearray(whole[: rng.randrange(len(whole))] if number % 2 else whole)
        for _ in range(rng.randint(0 if number % 2 else 1, 8)):
            if content:
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        package.write_bytes(content)
        place = tmp_path / f"case{number}"
        place.mkdir()
        try:
            unpack(package, place, "x", SMALL)
        except DownloadError as error:
            assert "\n" not in error.message
    assert not (tmp_path.parent / "escaped").exists()


def test_keras_file_that_is_a_bomb(tmp_path: Path) -> None:
    """Two members that declare almost 4 GiB each, as a bomb of zeros would."""
    path = make_zip(tmp_path / "m.keras", {"config.json": b"{}", "a.h5": b"a", "b.h5": b"b"})
    content = bytearray(path.read_bytes())
    place = 0
    while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
        if b".h5" in content[place : place + 60]:
            content[place + 24 : place + 28] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelError, match="bytes when unpacked, more than 4,294,967,296"):
        read_config(LoadRequest(str(path), formats.KERAS))


def test_it_runs_in_a_child(tmp_path: Path, place: Path) -> None:
    request = {
        "package": str(make_tar(tmp_path / "package", {"../x": b"1"})),
        "folder": str(place),
        "name": "https://x.example/a.tar",
    }
    with pytest.raises(DownloadError, match=r"not unpacked: an entry is called '\.\./x'"):
        run_isolated(
            "coral_action.download.archive:unpack_task",
            request,
            stage="unpacking",
            reading=Reading((Path(request["package"]),)),
            writable=[place],
        )
    with pytest.raises(DownloadError):
        unpack_task(request, lambda done, total: None)
