"""Facebook Login after the redirect: tokens, permissions and the person who linked Facebook."""

from channels_im.messenger.oauth.identity import me, permissions
from channels_im.messenger.oauth.tokens import LongLivedToken, TokenInfo, debug_token, exchange_long_lived
from channels_im.messenger.scopes import REQUIRED_SCOPES, SCOPES

__all__ = [  # English only: names
    "REQUIRED_SCOPES",
    "SCOPES",
    "LongLivedToken",
    "TokenInfo",
    "debug_token",
    "exchange_long_lived",
    "me",
    "permissions",
]
