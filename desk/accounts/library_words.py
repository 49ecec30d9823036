"""Texts of allauth that pages of Desk show. Being marked here, they are in Desk's catalogues, which win over allauth's.

In some languages allauth addresses people in another way than Desk does.
"""

from desk.sentences import sentence

TEXTS = (
    # labels
    sentence("Code"),
    sentence("Current Password"),
    sentence("New Password"),
    sentence("New Password (again)"),
    sentence("Password"),
    sentence("Password (again)"),
    # errors
    sentence("Be patient, you are sending too many requests."),
    sentence("Incorrect code."),
    sentence("Incorrect password."),
    sentence("Please type your current password."),
    sentence("The password reset token was invalid."),
    sentence("The username and/or password you specified are not correct."),
    sentence("This account is currently inactive."),
    sentence("Too many failed login attempts. Try again later."),
    sentence("You cannot deactivate two-factor authentication."),
    sentence("You cannot generate recovery codes without having two-factor authentication enabled."),
    sentence("You must type the same password each time."),
    # notes after something was done
    sentence("Confirmation email sent to %(email)s."),
    sentence("Password successfully changed."),
    sentence("Password successfully set."),
    sentence("Removed email address %(email)s."),
    sentence("Unable to confirm %(email)s because it is already confirmed by a different account."),
    sentence("You cannot remove your primary email address (%(email)s)."),
    sentence("You have confirmed %(email)s."),
    # kinds of second steps, in the history
    sentence("Recovery codes"),
    sentence("TOTP Authenticator"),
)
