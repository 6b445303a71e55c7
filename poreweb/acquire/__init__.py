"""Getting observations: which HARP is which NOAA region, what JSOC has of it, its export, and watches that go on."""
