"""Other people's servers on a listener, where they need a hand.

Each module needs the package that it is named for. Most servers need none of this: they run
on a `Listener` as it is.
"""
