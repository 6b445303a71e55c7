"""What events are filtered and ordered by, as columns; those of before are filled in."""

from django.db import migrations, models


def fill_in(apps, schema_editor):
    Event = apps.get_model("tracks", "Event")
    changed = []
    for event in Event.objects.prefetch_related("parents", "children").iterator(chunk_size=500):
        parents, children = list(event.parents.all()), list(event.children.all())
        describe(event, parents, children)
        changed.append(event)
    Event.objects.bulk_update(changed, ["mu", "area_mm2", "area_change", "flux_change", "doubt"], batch_size=100)


def describe(event, parents, children):
    """As `poreweb.tracks.rows.event_values` when this was written."""
    both = [*parents, *children]
    event.mu = min((feature.mu for feature in both if feature.mu is not None), default=None)
    event.area_mm2 = max((feature.area_mm2 for feature in both), default=None)
    event.area_change = change(parents, children, "area_mm2")
    event.flux_change = change(parents, children, "flux_mx")
    if event.probability is not None:
        odds = (1 - event.probability) / max(event.probability, 1e-9) / max(event.mu or 1, 0.05)
        event.doubt = odds / (1 + odds)


def change(parents, children, name):
    before, after = ([getattr(feature, name) for feature in side] for side in (parents, children))
    if not before or not after or None in before or None in after or not sum(before):
        return None
    return sum(after) / sum(before) - 1


class Migration(migrations.Migration):

    dependencies = [
        ('tracks', '0006_frames_added_later'),
    ]

    operations = [
        migrations.AddField(
            model_name='event',
            name='area_change',
            field=models.FloatField(null=True, verbose_name='area after over area before, less 1'),
        ),
        migrations.AddField(
            model_name='event',
            name='area_mm2',
            field=models.FloatField(null=True, verbose_name='area of its largest pore'),
        ),
        migrations.AddField(
            model_name='event',
            name='doubt',
            field=models.FloatField(null=True, verbose_name='what the queue is ordered by, as `processing.certainty.doubt`'),
        ),
        migrations.AddField(
            model_name='event',
            name='flux_change',
            field=models.FloatField(null=True, verbose_name='flux after over flux before, less 1'),
        ),
        migrations.AddField(
            model_name='event',
            name='mu',
            field=models.FloatField(null=True, verbose_name='least mu of its pores'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['run', '-doubt'], name='tracks_even_run_id_bde090_idx'),
        ),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
    ]
