"""
What the desk shows of one event, from the machine's rows around it alone.

window (rows around the event) -> frames, links, curves, lineage -> context (all of it, for the template).
"""
