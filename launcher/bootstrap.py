"""Make the virtual environment and install what Desk needs: bootstrap.py VENV REQUIREMENTS_FILE.

Runs under whatever `python3` is, before anything is installed: standard library only, and syntax that an old Python
still reads, so that it can say it is too old. Prints one sentence and ends with 1 when something is missing.
"""

from __future__ import print_function

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ["python3.11", "python3.12", "python3.13", "python3.14"]


class Missing(Exception):
    """Something a person must put right; the text is the sentence they read."""


def works(command):
    """Say whether the command runs and ends with 0."""
    try:
        with open(os.devnull, "w") as null:
            return subprocess.call(command, stdout=null, stderr=null) == 0
    except OSError:
        return False


def new_enough(python):
    """Say whether `python` runs and is a version that Desk supports."""
    return works([python, "-c", "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)])


def check_this_python(goal):
    """Raise Missing when this Python cannot make the environment."""
    if sys.version_info < OLDEST:
        sentence = "Python %d.%d is too old: Desk needs Python %d.%d or newer." % (sys.version_info[:2] + OLDEST)
        found = [name for name in NEWER if new_enough(name)]
        if found:
            raise Missing("%s There is %s on this machine: make %s PYTHON=%s" % (sentence, found[0], goal, found[0]))
        raise Missing("%s Install one and say which: make %s PYTHON=/path/to/python3.11" % (sentence, goal))
    for name in ("venv", "ensurepip"):
        if not works([sys.executable, "-c", "import " + name]):
            raise Missing("Python's %s module is missing. %s" % (name, debian_hint()))


def debian_hint():
    """Return how to get what Debian leaves out of its Python."""
    return "On Debian and Ubuntu, as root: apt-get install python%d.%d-venv" % sys.version_info[:2]


def make_venv(venv, goal):
    """Make the environment at `venv` when it is not there or does not work; return its Python."""
    python = os.path.join(venv, "bin", "python")
    if new_enough(python) and works([python, "-c", "import pip"]):
        return python
    check_this_python(goal)
    print("Making the virtual environment %s ..." % venv)
    sys.stdout.flush()
    # one that was broken off is made anew; a folder that is something else is not emptied
    clear = ["--clear"] if os.path.exists(os.path.join(venv, "pyvenv.cfg")) else []
    if subprocess.call([sys.executable, "-m", "venv"] + clear + [venv]) != 0:
        raise Missing("The virtual environment could not be made in %s (see above). %s" % (venv, debian_hint()))
    return python


def digest(files):
    """Return a fingerprint of the files' bytes."""
    total = hashlib.sha256()
    for name in files:
        with open(name, "rb") as file:
            total.update(file.read())
    return total.hexdigest()


def install(python, venv, requirements, goal):
    """Install the packages of the `requirements` file, only when it has changed since the last time."""
    folder = os.path.dirname(os.path.abspath(requirements))
    # the development file includes the other one
    fingerprint = digest([os.path.join(folder, "requirements.txt"), requirements])
    stamp = os.path.join(venv, "." + os.path.basename(requirements) + ".installed")
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == fingerprint:
                return
    print("Installing the packages of %s (the first time takes a minute) ..." % os.path.basename(requirements))
    sys.stdout.flush()
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    if subprocess.call(command) != 0:
        raise Missing(
            "pip could not install the packages of %s: its own words stand above. Desk needs them from PyPI once; "
            "check the network or pip's proxy settings, then: make %s" % (os.path.basename(requirements), goal)
        )
    with open(stamp, "w") as file:
        file.write(fingerprint)


def main(arguments):
    """Do it all; `arguments` are the folder of the environment, the requirements file and make's goal."""
    venv, requirements, goal = arguments
    try:
        install(make_venv(venv, goal), venv, requirements, goal)
    except Missing as sentence:
        print(sentence, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
