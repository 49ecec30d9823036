"""The *Go live* page: what Meta wants before the public can write, what Desk checks of it, texts for App Review."""
