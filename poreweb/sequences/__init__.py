"""Continuum sequences of other instruments: files and a form in, a patch with its frames out."""
