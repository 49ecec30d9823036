"""The permissions Desk requests from the person who links Facebook, and the features that its app needs. Pure.

Sources: Meta, "Permissions reference" and "Features reference".
"""

# Without one of these, Desk cannot use a Page.
REQUIRED_SCOPES = ("pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_read_engagement")

# business_management only adds the Pages that a business portfolio owns to the list.
SCOPES = (*REQUIRED_SCOPES, "business_management")

# Either name allows utility messages: Meta's guide and its reference of permissions differ. The first is requested.
UTILITY_SCOPES = ("pages_utility_messaging", "page_utility_messaging")

# Features are approved for an app, not granted by a person. Their names are those of the App Dashboard.
HUMAN_AGENT_FEATURE = "Human Agent"  # English only: Meta's name
PROFILE_FEATURE = "Business Asset User Profile Access"  # English only: Meta's name
