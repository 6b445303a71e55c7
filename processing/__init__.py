"""
Pure science: arrays and Quantities in, arrays and tables out. No Django, no settings.

The steps of the chain, in order:

`fits`       FITS bytes -> segments and patch frames
`geometry`   a pixel of a CEA map -> place on the Sun, mu, helioprojective
`reduce`     continuum -> contrast: limb darkening out, quiet Sun to 1.0
`enhance`    contrast -> sharpened contrast on the doubled grid
`upscale`    field maps -> the same grid
`segment`    contrast -> labels
`measure`    labels and field -> one row per feature
`track`      features of a series -> links
`lineage`    links -> tracks and events; verdicts come back in here
`export`     rows -> catalogue
`movie`      frames, labels, tracks -> MP4
`chain`      the steps from `reduce` to `measure` in one call
`synthetic`  made-up patches whose answer is known
"""
