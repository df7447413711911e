"""Takes out of an installed environment what this program never uses, and compiles the rest.

Usage: python slim.py SITE_PACKAGES

Run while the image is built, on packages that were installed without bytecode. Every entry must
still be there: a list that has gone stale fails the build instead of quietly removing nothing. What
is left is proven by running the whole job in the image (tests/container).
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import py_compile
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Distributions that others name as requirements and that no code path of ours imports.
DISTRIBUTIONS = {
    "libclang": "TensorFlow's C++ code generator for ops",
    "grpcio": "TensorFlow's debugger server and tensorboard",
    "setuptools": "building extension modules",
    "wheel": "building wheels",
    "pip": "installing packages",
}

# Globs below site-packages.
PATHS = {
    "tensorflow/include": "C++ headers, to build custom ops against",
    "tensorflow/xla_aot_runtime_src": "C++ sources of ahead-of-time compilation",
    "tensorflow/compiler/tf2xla/ops/_xla_ops.so": "a second copy of ops that libtensorflow_cc has",
    "tensorflow/compiler/mlir/stablehlo/stablehlo_extension.so": "MLIR bindings for JAX",
    "tensorflow/python/framework/lib_native_proto_caster.so": "nothing links or loads it",
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so": "runs models on a GPU",
    "ai_edge_litert/tools": "compilers for phones",
    "ai_edge_litert/vendors": "plugins of those compilers",
    "tensorflow_cpu-*.dist-info/RECORD": "a list of files, most of which are gone",
    "numpy/**/tests": "tests",
    "numpy/f2py": "wraps Fortran",
    "h5py/tests": "tests",
    "keras/src/**/*_test.py": "tests",
    "numpy/distutils": "builds extension modules",
    "**/*.pyi": "types, for checkers",
    "keras/src/backend/jax": "another backend than TensorFlow",
    "keras/src/backend/openvino": "another backend than TensorFlow",
    "keras/src/backend/torch": "another backend than TensorFlow",
    "pygments/lexers/[!_]*.py": "colours source code; rich imports it and we never show any",
    "pydantic/v1": "the interface of pydantic 1",
}

# An extension module that `import tensorflow` wants and only a remote profiler calls.
PROFILER = "tensorflow/python/profiler/internal/_pywrap_profiler_plugin"

# Symbol tables that only a debugger reads; 230 MB. Named, since `strip` harms some libraries that
# wheel tools have patched, and gains little on all others.
STRIPPED = (
    "tensorflow/libtensorflow_cc.so.2",
    "tensorflow/libtensorflow_framework.so.2",
    "tensorflow/lite/python/libpywrap_tflite_common.so",
    "tensorflow/python/lib_pywrap_tensorflow_common.so",
    "ai_edge_litert/libpywrap_litert_common.so",
    "PIL/_imaging.cpython-*.so",
    "yaml/_yaml.cpython-*.so",
)


def main() -> None:
    """Remove, strip, and print what each step gained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site_packages", type=Path)
    site_packages: Path = parser.parse_args().site_packages.resolve(strict=True)
    before = size(site_packages)
    for name in DISTRIBUTIONS:
        remove_distribution(site_packages, name)
    for pattern in PATHS:
        remove_paths(site_packages, pattern)
    replace_module(site_packages, PROFILER)
    for pattern in STRIPPED:
        strip(site_packages, pattern)
    keep_bytecode_only(site_packages)
    after = size(site_packages)
    print(f"{before / 1e6:.0f} MB before, {after / 1e6:.0f} MB left")  # noqa: T201


def remove_distribution(site_packages: Path, name: str) -> None:
    """Remove all files of an installed distribution, its metadata and commands included.

    Raises:
        SystemExit: if it is not installed.
    """
    found = list(importlib.metadata.distributions(name=name, path=[str(site_packages)]))
    if not found:
        raise SystemExit(f"{name} is not installed: take it out of DISTRIBUTIONS")
    for distribution in found:
        folders = set()
        for file in distribution.files or []:
            path = Path(str(distribution.locate_file(file))).resolve()
            path.unlink(missing_ok=True)
            folders |= set(_parents_below(path, site_packages))
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _parents_below(path: Path, root: Path) -> Iterator[Path]:
    for parent in path.parents:
        if parent == root or not parent.is_relative_to(root):
            return
        yield parent


def remove_paths(site_packages: Path, pattern: str) -> None:
    """Remove files and folders that match a glob.

    Raises:
        SystemExit: if nothing matches.
    """
    matches = list(site_packages.glob(pattern))
    if not matches:
        raise SystemExit(f"nothing matches {pattern}: take it out of PATHS")
    for path in matches:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def replace_module(site_packages: Path, name: str) -> None:
    """Put an empty module in the place of an extension module.

    Raises:
        SystemExit: if it is not there.
    """
    library = site_packages / f"{name}.so"
    if not library.is_file():
        raise SystemExit(f"{library} is not there: take it out")
    library.with_suffix(".py").write_text('"""Left out of this image (container/slim.py)."""\n')
    library.unlink()


def strip(site_packages: Path, pattern: str) -> None:
    """Remove the symbols of libraries that the dynamic linker does not need.

    Raises:
        SystemExit: if nothing matches.
        CalledProcessError: if `strip` fails.
    """
    libraries = list(site_packages.glob(pattern))
    if not libraries:
        raise SystemExit(f"nothing matches {pattern}: take it out of STRIPPED")
    subprocess.run(["strip", "--strip-unneeded", *map(str, libraries)], check=True)  # noqa: S607


def keep_bytecode_only(site_packages: Path) -> None:
    """Compile all modules and remove their sources, 65 MB.

    A traceback through them still has names and line numbers. Bytecode that is not checked against
    a source holds no times: the same sources give the same bytes. One process, for the same reason.
    """
    compileall.compile_dir(
        site_packages,
        quiet=2,  # some are templates and no Python; they stay as they are
        force=True,
        legacy=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for source in site_packages.rglob("*.py"):
        if source.with_suffix(".pyc").exists():
            source.unlink()


def size(folder: Path) -> int:
    """Bytes in all files below a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir() or p.is_symlink())


if __name__ == "__main__":
    main()
