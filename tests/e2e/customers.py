"""Customers for one test alone."""

from tests.e2e import data
from tests.e2e.processes import RunningDesk
from tests.sandbox.process import BERG_BIKES


class Customer:
    """A customer of Berg Bikes, the Page of the demo's channel, whose name no other customer has."""

    def __init__(self, desk: RunningDesk) -> None:
        self.desk = desk
        desk.customers += 1
        added = desk.sandbox.add_customer("Robin", f"{desk.customers:03}")
        self.id, self.name, self.psid = added["id"], added["name"], added["psids"][BERG_BIKES]
        self.conversation = desk.call(data.make_conversation, self.psid, self.name)

    def writes(self, text: str) -> str:
        """Write to the Page, wait until Desk has taken it in, and return the message's mid."""
        mid = self.desk.sandbox.customer_writes(self.id, BERG_BIKES, text)["mid"]
        self.desk.wait_for(lambda: self.desk.call(data.has_message, mid), f"the message of {self.name} is taken in")
        return mid

    def wrote(self, text: str, hours_ago: float) -> None:
        """Have written long ago: Desk knows it, the sandbox does not."""
        self.desk.call(data.add_message, self.conversation, text, data.FROM_CUSTOMER, hours_ago=hours_ago)
