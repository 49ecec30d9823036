"""Create the virtual environment and install the locked packages: bootstrap.py VENV LOCK_FILE MAKE_TARGET.

Any `python3` must be able to run this file before a package is installed: it uses only the standard library, and only
syntax that an old Python can parse, so that the old Python can print that it is too old. When something is missing, it
prints one sentence and exits with code 1.
"""

from __future__ import print_function

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ["python3.11", "python3.12", "python3.13", "python3.14"]


class Missing(Exception):
    """Say what a person must install or correct; the text is printed as it is."""


def works(command):
    """Return whether the command runs and exits with code 0."""
    try:
        with open(os.devnull, "w") as null:
            return subprocess.call(command, stdout=null, stderr=null) == 0
    except OSError:
        return False


def new_enough(python):
    """Return whether `python` runs and is a version that Desk supports."""
    return works([python, "-c", "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)])


def check_this_python(target):
    """Raise Missing when this Python cannot create the environment."""
    if sys.version_info < OLDEST:
        sentence = "Python %d.%d is too old: Desk needs Python %d.%d or newer." % (sys.version_info[:2] + OLDEST)
        found = [name for name in NEWER if new_enough(name)]
        if found:
            raise Missing("%s This machine has %s: make %s PYTHON=%s" % (sentence, found[0], target, found[0]))
        raise Missing("%s Install one and choose it: make %s PYTHON=/path/to/python3.11" % (sentence, target))
    for name in ("venv", "ensurepip"):
        if not works([sys.executable, "-c", "import " + name]):
            raise Missing("Python's %s module is missing. %s" % (name, debian_hint()))


def debian_hint():
    """Return how to install the modules that Debian does not ship with Python."""
    return "On Debian and Ubuntu, as root: apt-get install python%d.%d-venv" % sys.version_info[:2]


def make_venv(venv, target):
    """Create the environment at `venv` unless it exists and works; return the path of its Python."""
    python = os.path.join(venv, "bin", "python")
    if new_enough(python) and works([python, "-c", "import pip"]):
        return python
    check_this_python(target)
    print("Creating the virtual environment %s ..." % venv)
    sys.stdout.flush()
    # Replace an environment that was left incomplete; never empty a folder that is something else.
    clear = ["--clear"] if os.path.exists(os.path.join(venv, "pyvenv.cfg")) else []
    if subprocess.call([sys.executable, "-m", "venv"] + clear + [venv]) != 0:
        raise Missing("The virtual environment %s could not be created (see above). %s" % (venv, debian_hint()))
    return python


def digest(path):
    """Return a fingerprint of the file's content."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def install(python, venv, lock, target):
    """Install the packages of the lock file, unless it has not changed since they were installed."""
    name = os.path.basename(lock)
    fingerprint = digest(lock)
    stamp = os.path.join(venv, "." + name + ".installed")
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == fingerprint:
                return
    print("Installing the packages of %s (the first time takes a minute) ..." % name)
    sys.stdout.flush()
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock]
    if subprocess.call(command) != 0:
        raise Missing(
            "pip could not install the packages of %s; its own message is above. Desk downloads them once, from PyPI "
            "or a mirror with the same files. Check the network and pip's proxy and index settings, then run: make %s"
            % (name, target)
        )
    with open(stamp, "w") as file:
        file.write(fingerprint)


def main(arguments):
    """Return the exit code; `arguments` are the folder of the environment, the lock file and make's target."""
    venv, lock, target = arguments
    try:
        install(make_venv(venv, target), venv, lock, target)
    except Missing as sentence:
        print(sentence, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
