"""Facebook Login after the redirect: tokens, permissions and the person behind them."""

from channels_im.messenger.oauth.identity import me, permissions
from channels_im.messenger.oauth.scopes import REQUIRED_SCOPES, SCOPES
from channels_im.messenger.oauth.tokens import LongLivedToken, TokenInfo, debug_token, exchange_long_lived

__all__ = [
    "REQUIRED_SCOPES",
    "SCOPES",
    "LongLivedToken",
    "TokenInfo",
    "debug_token",
    "exchange_long_lived",
    "me",
    "permissions",
]
