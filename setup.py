"""Package vmemu; vmemu/_build.py builds the C core and the guests."""

import importlib.util
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent


def load_build():
    """Import vmemu/_build.py alone: the package itself needs the extension."""
    spec = importlib.util.spec_from_file_location("_build", ROOT / "vmemu" / "_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class build_core(build_ext):
    """build_ext: setuptools compiles all when one file changes, and knows no guests."""

    def run(self):
        """Build into the source tree for --inplace and editable installs, else into build_lib."""
        build = load_build()
        parent = ROOT if self.inplace else Path(self.build_lib).resolve()
        try:
            build.build(ROOT, parent / "vmemu")
        except build.BuildError as error:
            raise CompileError(str(error)) from error


setup(
    ext_modules=[Extension(f"vmemu._core{bits}", sources=[]) for bits in (32, 64)],
    cmdclass={"build_ext": build_core},
)
