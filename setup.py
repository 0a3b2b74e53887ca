"""Build and package vmemu; the C core and the guests are built by vmemu/_build.py."""

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
    """build_ext, with vmemu's own rebuild rules, and the guests."""

    def run(self):
        """Build everything, one build of a tree at a time."""
        self.build = load_build()
        try:
            with self.build.locked(Path(self.build_temp)):
                super().run()
        except self.build.BuildError as error:
            raise CompileError(str(error)) from error

    def build_extension(self, ext):
        """Build the core, and the guests beside it, into the build tree."""
        objects = Path(self.build_temp).resolve()
        extension = Path(self.get_ext_fullpath(ext.name)).resolve()
        self.build.build_core(ROOT, objects, extension)
        self.build.build_guests(ROOT, objects, extension.parent / "guests_bin")

    def copy_extensions_to_source(self):
        """Finish --inplace and editable builds."""
        built = Path(self.build_lib).resolve() / "vmemu"
        self.build.install([built / self.get_ext_filename("_core")], ROOT / "vmemu")
        self.build.mirror(list((built / "guests_bin").iterdir()), ROOT / "vmemu" / "guests_bin")


setup(
    ext_modules=[Extension("vmemu._core", sources=[])],
    cmdclass={"build_ext": build_core},
)
