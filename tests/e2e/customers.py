"""Customers that belong to one test."""

from tests.e2e import data
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES


class Customer:
    """A customer of Berg Bikes, the Page of the demo's channel, with a unique name."""

    def __init__(self, desk: RunningDesk) -> None:
        self.desk = desk
        desk.customers += 1
        added = desk.sandbox.add_customer("Robin", f"{desk.customers:03}")
        self.id, self.name, self.psid = added["id"], added["name"], added["psids"][BERG_BIKES]
        self.conversation = desk.call(data.make_conversation, self.psid, self.name)

    def writes(self, text: str) -> str:
        """Write to the Page, wait until Desk has stored the message, and return its mid."""
        mid = self.desk.sandbox.customer_writes(self.id, BERG_BIKES, text)["mid"]
        self.desk.wait_for(lambda: self.desk.call(data.has_message, mid), f"the message of {self.name} is stored")
        return mid

    def wrote(self, text: str, hours_ago: float) -> None:
        """Add an older message to Desk only; the sandbox does not have it."""
        self.desk.call(data.add_message, self.conversation, text, data.FROM_CUSTOMER, hours_ago=hours_ago)
