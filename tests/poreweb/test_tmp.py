def test_a(run, event):
    print(
        run.state,
        run.error,
        run.events.values_list("kind", "index"),
        [(e.kind, e.state, e.error, e.size) for e in run.exports.all()],
        run.segmentations.values_list("n_features", "seconds"),
    )


def test_b(run, event):
    pass


def test_c(patch):
    pass


def test_d(run, event):
    pass
