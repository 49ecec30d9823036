"""Which tests pytest-xdist keeps on one worker."""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

SPREAD = PurePath("tests/e2e")


class Scheduling(LoadScopeScheduling):
    """Keep the tests of a file together, because they share fixtures, but spread the tests of tests/e2e one by one.

    Whatever tests of that folder come to a worker, they share its running Desk. Those of its subfolders stay together.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _colons, _name = nodeid.partition("::")
        return nodeid if PurePath(file).parent == SPREAD else file
