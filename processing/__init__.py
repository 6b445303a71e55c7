"""
Pure science: arrays and Quantities in, arrays and tables out. No Django, no settings.

The steps of the chain, in order:

`fits`       FITS bytes -> segments and patch frames; `checksums` whether the bytes are whole; `quality` what
             QUALITY says; `images` files without a SHARP header
`geometry`   a pixel of a CEA map -> place on the Sun, mu, helioprojective
`sequence_files` sequences of other instruments as files; `calibrate` darks and flats; `coalign` shifts between frames
`heliographic` helioprojective images of any instrument -> CEA maps of a patch, through sunpy
`reduce`     continuum -> contrast: limb darkening (`limb_darkening`) out, quiet Sun to 1.0
`enhance`    contrast -> sharpened contrast on the doubled grid: our network, the published one, Richardson-Lucy
`upscale`    field maps -> the same grid
`segment`    contrast -> labels, by threshold or `stara`; touching umbrae apart (`split`)
`measure`    labels and field -> one row per feature; `outline` its border as a polygon
`track`      features of a series -> links with their probability; `label_cube` and `link_files` for cubes of others
`lineage`    links -> tracks and events; `lineage_layout` where each is drawn
`certainty`  how sure each event is, the runner-up, and why
`edits`      what people have settled -> the published lineage; `joins` events that are one
`matching`   the same feature, and the same event, in two runs
`agreement`  how far reviewers agree
`metrics`    found links against true ones; `truth` the true ones of a simulated patch
`export`     rows -> catalogue
`movie`      frames, labels, tracks -> MP4
`chain`      the steps from `reduce` to `measure` in one call
`statistics` frames of a series -> mean, scatter, median and minimum of each pixel
`synthetic`  made-up patches whose answer is known; `synthetic_tracks` long series of labels alone
"""
