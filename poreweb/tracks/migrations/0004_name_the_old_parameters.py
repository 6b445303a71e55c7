"""Runs of before these parameters had names: write down what they were, so that a retry or a rerun is the same."""

from django.db import migrations

OLD = {
    "limb_darkening": "pierce-slaughter-6206",
    "quiet_sun": "histogram",
    "segmentation": "threshold",
    "stara_depth": 0.6,
    "split": "none",
    "umbra_level": 0.5,
}


def name_them(apps, schema_editor):
    Run = apps.get_model("tracks", "Run")
    for run in Run.objects.only("parameters").iterator():
        if missing := {name: value for name, value in OLD.items() if name not in run.parameters}:
            run.parameters = {**run.parameters, **missing}
            run.save(update_fields=["parameters"])


class Migration(migrations.Migration):
    dependencies = [("tracks", "0003_quiet_sun_after_sharpening")]
    operations = [migrations.RunPython(name_them, migrations.RunPython.noop)]
