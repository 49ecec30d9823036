"""The permissions Desk asks of the person who links Facebook. Source: Meta, "Permissions reference"."""

# Without one of these a page cannot be worked with.
REQUIRED_SCOPES = ("pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement")

# business_management only makes Pages that a business portfolio owns appear in the list.
SCOPES = (*REQUIRED_SCOPES, "business_management")
