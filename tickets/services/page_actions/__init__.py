"""Actions of the Page other than replies: blocks, reactions, typing and seen."""
