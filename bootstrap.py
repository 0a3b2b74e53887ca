"""Install vmemu into a virtual environment and run a command there; bootstrap.sh calls this.

Needs Python 3.11 and gcc, and neither root, nor pip, nor python3-venv, nor
Python's headers: what Debian splits off is fetched from the package index and
from Debian's mirrors, as pip and apt are configured to reach them, and stays
inside the virtual environment.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import fcntl
import hashlib
import html.parser
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("VMEMU_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".vmemu"
CERTIFICATES = VENV / "ca-certificates.crt"

EXTRAS = ("", "report", "results", "distributed", "test")
"""What can be installed beside vmemu itself; each includes those before it."""
OF_RESULTS = ("sweep", "results", "growth", "plot")
"""Commands of vmemu that write or read data sets."""
NEVER_USED = ("unicorn/lib/*.a", "numpy/**/tests")
"""Parts of packages that only take room: a third of all that is installed."""
ALONE = ("-s", "--capture=no", "--co", "--collect-only", "-V", "--version", "-h", "--help", "--pdb")
"""Options of pytest with which several processes are no use."""

USAGE = """\
usage: sh bootstrap.sh COMMAND [ARGS]

Installs vmemu into .venv (or $VMEMU_VENV), unless that is done, and runs COMMAND
there. What only tests, linters, reports, sweeps and their results need is installed
when COMMAND is not vmemu, or asks for these:
  sh bootstrap.sh vmemu compare    run the scenarios under every scheme
  sh bootstrap.sh pytest           run the tests, on every core; with -n0 on one

VMEMU_SANITIZE=asan or ubsan in the environment builds and runs the C core so.
"""


class BootstrapError(Exception):
    """The installation cannot go on; the message is one sentence."""


def main(command: list[str]) -> int:
    """Install if need be and become `command`; return an exit status if that fails."""
    if not command or command[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if command else sys.stderr)
        return 0 if command else 2
    try:
        with locked(ROOT / "build" / "bootstrap.lock"):
            install(wanted(command))
    except BootstrapError as error:
        print(f"vmemu: {error}", file=sys.stderr)
        return 2
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PATH"] = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    if os.environ.get("VMEMU_SANITIZE") == "asan":
        os.environ.update(asan_environment())
    command = spread(command)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"vmemu: cannot run {command[0]!r}: {error.strerror}.", file=sys.stderr)
        return 127


def asan_environment() -> dict[str, str]:
    """Return what an uninstrumented Python needs to load an instrumented extension."""
    query = [os.environ.get("CC", "gcc"), "-print-file-name=libasan.so"]
    library = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    # Python frees little at exit, so leaks cannot be told from its own.
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


def wanted(command: Sequence[str]) -> str:
    """Return which of EXTRAS a command needs."""
    if Path(command[0]).name != "vmemu":
        return "test"

    def given(option: str) -> bool:
        return any(re.match(f"{option}(=|$)", word) for word in command)

    if given("--scheduler"):
        return "distributed"
    if (command[1:2] and command[1] in OF_RESULTS) or given("--parquet"):
        return "results"
    return "report" if given("--report") else ""


def spread(command: list[str]) -> list[str]:
    """Have pytest use every core, where that is not in the way; a later -n0 overrides it.

    Not a default of pyproject.toml: what runs pytest for one test would wait for workers.
    """
    alone = any("::" in word or word in ALONE or word.startswith("bench") for word in command)
    if Path(command[0]).name != "pytest" or alone:
        return command
    return [command[0], "-n", "auto", *command[1:]]


def install(extra: str) -> None:
    """Bring the virtual environment, with one of EXTRAS, and the built files up to date."""
    stamp = fingerprint()
    stamps = [stamp + name for name in EXTRAS[EXTRAS.index(extra) :]]
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() in stamps:
        build = str(ROOT / "vmemu" / "_build.py")
        run([str(PYTHON), "-P", build], "vmemu could not be built")
        return
    check_compiler()
    make_venv()
    provide_headers()
    say("installing the packages")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--no-compile"]
    extras = ",".join(EXTRAS[1 : EXTRAS.index(extra) + 1])
    package = f".[{extras}]" if extras else "."
    run([*pip, "--editable", package], "the installation with pip failed", cwd=ROOT)
    slim()
    STAMP.write_text(stamp + extra)


def slim() -> None:
    """Delete what is never used, and compile what is.

    Start-up is short only with bytecode, which the user's settings may forbid to write; that
    of all packages would take as much room as they do.
    """
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))
    for pattern in NEVER_USED:
        for path in list(packages.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    run([str(PYTHON), "-m", "compileall", "-q", str(ROOT / "vmemu")], "vmemu does not compile")
    modules = "vmemu.cli.main, vmemu.cli.run, vmemu.machine, vmemu.check, vmemu.lab.compare"
    write = (
        "import sys; sys.dont_write_bytecode = False; import capstone, rich.table, rich.progress"
    )
    run([str(PYTHON), "-c", f"{write}, {modules}"], "vmemu cannot be imported")


def fingerprint() -> str:
    """Return what an installation depends on; the build looks after the sources itself."""
    inputs = [ROOT / name for name in ("setup.py", "pyproject.toml", "bootstrap.py")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    return f"{digest}\n{sys.version}\n{VENV}\n{ROOT}\n"


def check_compiler() -> None:
    """See that C can be compiled at all, before anything is fetched."""
    compiler = os.environ.get("CC", "gcc")
    if shutil.which(compiler) is None:
        raise BootstrapError(f"{compiler} is needed (on Debian: apt-get install gcc libc6-dev).")
    if not succeeds([compiler, "-E", "-include", "stdlib.h", "-x", "c", os.devnull]):
        raise BootstrapError("the C library's headers are needed (apt-get install libc6-dev).")


def make_venv() -> None:
    """Create the virtual environment, with pip, unless a sound one is there."""
    sound = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if PYTHON.exists() and succeeds([str(PYTHON), "-c", sound]):
        return
    if VENV.exists() and not (VENV / "pyvenv.cfg").exists() and any(VENV.iterdir()):
        raise BootstrapError(f"{VENV} is in the way: it is not a virtual environment.")
    say(f"creating {VENV}")
    try:
        venv.EnvBuilder(clear=True, symlinks=True).create(VENV)
    except (OSError, ValueError) as error:
        raise BootstrapError(f"cannot create {VENV}: {error}.") from error
    with tempfile.TemporaryDirectory() as directory:
        wheel = bundled_pip() or fetch_pip(Path(directory))
        pip = [str(PYTHON), f"{wheel}/pip", "install", "--quiet", "--no-index", "--no-compile"]
        run([*pip, str(wheel)], "pip could not be installed")


def bundled_pip() -> Path | None:
    """Return the wheel that Python brings for ensurepip, which would add setuptools and bytecode.

    Debian's has none unless python3-venv is installed.
    """
    try:
        import ensurepip
    except ImportError:
        return None
    shared = sysconfig.get_config_var("WHEEL_PKG_DIR")
    places = [Path(ensurepip.__file__).parent / "_bundled", *([Path(shared)] if shared else [])]
    wheels = sorted(wheel for place in places for wheel in place.glob("pip-*-none-any.whl"))
    return wheels[-1] if wheels else None


def provide_headers() -> None:
    """See that Python.h can be found; if not, unpack Debian's into the environment."""
    version = f"python{sysconfig.get_python_version()}"
    system = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    places = [*map(Path, system), VENV / "include" / version]
    if any((place / "Python.h").exists() for place in places):
        return
    if Path(sys.base_prefix) != Path("/usr") or shutil.which("apt-get") is None:
        raise BootstrapError("Python.h is missing: install the C headers of your Python.")
    say("fetching Python's headers")
    with debian_package(f"lib{version}-dev") as files:
        shutil.copytree(files / "usr" / "include", VENV / "include", dirs_exist_ok=True)


# ---- pip, from the index -------------------------------------------------


def fetch_pip(directory: Path) -> Path:
    """Download pip's newest wheel that suits this Python from the configured index."""
    say("fetching pip")
    settings = pip_settings()
    indexes = settings.get("index-url", "https://pypi.org/simple").split()
    indexes += settings.get("extra-index-url", "").split()
    if any(index.startswith("https:") for index in indexes):
        provide_certificates()
    context = ssl.create_default_context()
    authorities = settings.get("cert") or (CERTIFICATES if CERTIFICATES.exists() else None)
    if authorities:
        try:
            context.load_verify_locations(authorities)
        except OSError as error:
            raise BootstrapError(f"{authorities} cannot be used: {error.strerror}.") from error
    failure = "it has no wheel of pip"
    for index in indexes:
        page = f"{index.rstrip('/')}/pip/"
        try:
            wheels = Links(page, fetch(page, context).decode()).wheels
            if wheels:
                return save(max(wheels)[1], context, directory)
        except (OSError, ValueError) as error:
            failure = str(getattr(error, "reason", error))
    raise BootstrapError(f"pip cannot be fetched from {index_name(indexes[-1])}: {failure}.")


def save(address: str, context: ssl.SSLContext, directory: Path) -> Path:
    """Download a file into a directory and check it against the digest in its address."""
    parts = urllib.parse.urlsplit(address)
    content = fetch(address, context)
    digest = parts.fragment.removeprefix("sha256=")
    if digest != parts.fragment and hashlib.sha256(content).hexdigest() != digest:
        raise ValueError("the wheel is damaged")
    file = directory / Path(parts.path).name
    file.write_bytes(content)
    return file


class Links(html.parser.HTMLParser):
    """The wheels on an index page for pip: pairs of a version, as integers, and an address."""

    def __init__(self, base: str, page: str) -> None:
        super().__init__()
        self.base = base
        self.wheels: list[tuple[tuple[int, ...], str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link to a released wheel that this Python can use."""
        given = dict(attrs)
        address = urllib.parse.urljoin(self.base, given.get("href") or "")
        name = re.search(r"/pip-(\d+(?:\.\d+)*)-py3-none-any\.whl(?:[?#]|$)", address)
        least = re.search(r">=\s*3\.(\d+)", given.get("data-requires-python") or "")
        if tag != "a" or name is None or "data-yanked" in given:
            return
        if least is None or int(least[1]) <= sys.version_info.minor:
            self.wheels.append((tuple(map(int, name[1].split("."))), address))


def pip_settings() -> dict[str, str]:
    """Return pip's global settings from its configuration files and the environment."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [*os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)]
    files = [*(Path(name) / "pip" / "pip.conf" for name in shared), Path("/etc/pip.conf")]
    files += [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    last = os.environ.get("PIP_CONFIG_FILE")
    if last == os.devnull:
        files = []
    elif last:
        files.append(Path(last))
    parser = configparser.RawConfigParser()
    try:
        parser.read(files)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise BootstrapError(f"pip's configuration cannot be read: {error}.") from error
    settings: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            settings.update(parser.items(section))
    for name in ("index-url", "extra-index-url", "cert"):
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            settings[name] = value
    return settings


def fetch(address: str, context: ssl.SSLContext) -> bytes:
    """Return what is at an address; a user and password in it are sent as pip sends them."""
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(address)
    if parts.username is not None:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        request = urllib.request.Request(bare.geturl())
        user = f"{parts.username}:{parts.password or ''}"
        token = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        content: bytes = answer.read()
    return content


def index_name(index: str) -> str:
    """Return an index's address without a user and password."""
    parts = urllib.parse.urlsplit(index)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


# ---- Debian's packages, without installing them --------------------------


def provide_certificates() -> None:
    """Put the usual certificate authorities into the environment if the system has none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return
    if shutil.which("apt-get") is None:
        return
    say("fetching the certificates of the certificate authorities")
    with debian_package("ca-certificates") as files:
        found = sorted((files / "usr/share/ca-certificates").rglob("*.crt"))
        CERTIFICATES.write_bytes(b"".join(path.read_bytes() for path in found))


@contextlib.contextmanager
def debian_package(name: str) -> Iterator[Path]:
    """Download a package from the configured mirrors and unpack it for the moment.

    apt keeps its lists in a private directory, so this needs no root and
    changes nothing; the host's own lists may be missing or out of date.
    """
    with tempfile.TemporaryDirectory(dir=VENV) as directory:
        work = Path(directory)
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "cache" / "archives" / "partial").mkdir(parents=True)
        options = [
            *("-o", f"Dir::State::lists={work / 'lists'}"),
            *("-o", f"Dir::Cache={work / 'cache'}"),
            *("-o", "APT::Sandbox::User=root"),
        ]
        failed = f"Debian's package {name} could not be fetched"
        run(["apt-get", *options, "-qq", "update"], failed)
        run(["apt-get", *options, "-qq", "download", name], failed, cwd=work)
        files = work / "files"
        run(["dpkg-deb", "-x", str(next(work.glob("*.deb"))), str(files)], failed)
        yield files


# ---- processes -----------------------------------------------------------


def run(command: Sequence[str], failed: str, cwd: Path | None = None) -> None:
    """Run a command silently; if it fails, show what it said and raise `failed`."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTHONHOME", None)
    if CERTIFICATES.exists():
        environment.setdefault("SSL_CERT_FILE", str(CERTIFICATES))
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        print(done.stdout.rstrip(), file=sys.stderr)
        raise BootstrapError(f"{failed}.")


def succeeds(command: Sequence[str]) -> bool:
    """Tell whether a command exits with 0."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a second installation of the same tree waiting."""
    try:
        path.parent.mkdir(exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise BootstrapError(f"cannot write {path}: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(what: str) -> None:
    """Report progress to a terminal."""
    if sys.stderr.isatty():
        print(f"vmemu: {what} …", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
