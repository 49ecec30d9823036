"""Which worker of pytest-xdist runs which test, and when."""

from collections.abc import Iterator
from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

PROCESSES = PurePath("tests/e2e")


class Scheduling(LoadScopeScheduling):
    """Keep the tests of a file together, because they share fixtures, but spread the tests of tests/e2e one by one.

    Whatever tests of that folder come to a worker, they share its running Desk. Those of its subfolders stay together.

    The first of several workers runs the tests of that folder from the start, and no others: these tests mostly wait
    for processes and browsers, while the other workers compute. It cannot go back to other tests, because Playwright
    leaves an event loop in its thread.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _colons, _name = nodeid.partition("::")
        return nodeid if PurePath(file).parent == PROCESSES else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._runs_processes_only(node) and (unit := next(self._units_with_processes(), None)):
            self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        if self._runs_processes_only(node) and not any(self._units_with_processes()):
            if not node.shutting_down:
                node.shutdown()
            return
        super()._reschedule(node)

    def _runs_processes_only(self, node: WorkerController) -> bool:
        return self.numnodes > 1 and node.gateway.id == "gw0" and any(map(_is_with_processes, self._all_units()))

    def _all_units(self) -> Iterator[str]:
        yield from self.workqueue
        for units in self.assigned_work.values():
            yield from units

    def _units_with_processes(self) -> Iterator[str]:
        return filter(_is_with_processes, self.workqueue)


def _is_with_processes(unit: str) -> bool:
    return PROCESSES in PurePath(unit.partition("::")[0]).parents
