"""Why a Page must be re-authenticated, in words inside a sentence; the labels of Page.Reason begin one."""

from channels_im.models import Page
from desk.sentences import sentence

INSIDE_A_SENTENCE = {
    Page.Reason.TOKEN_EXPIRED: sentence("the access token has expired"),
    Page.Reason.PERMISSION_REVOKED: sentence("a Page permission was revoked"),
    Page.Reason.PAGE_DESELECTED: sentence("the Page was not ticked at the last Facebook login"),
    Page.Reason.APP_REMOVED: sentence("the app was removed in the Facebook settings"),
    Page.Reason.PASSWORD_CHANGED: sentence("the Facebook password was changed"),
    Page.Reason.CHECKPOINT: sentence("Facebook asks the person to confirm their account"),
    Page.Reason.ROLE_LOST: sentence("the person no longer has a role on the Page"),
}
