"""Send replies: from the composer to Meta, until it is known whether they arrived."""
