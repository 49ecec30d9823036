"""What the Page does besides replying: blocks, reactions, typing and seen."""
