"""The queue, worked off in the test."""

from django.utils.module_loading import import_string
from django_q.models import OrmQ


def run_queued_tasks() -> None:
    """Run the queued tasks, as the worker does."""
    for row in OrmQ.objects.order_by("pk"):
        task = row.task
        import_string(str(task["func"]))(*task["args"])
        row.delete()
