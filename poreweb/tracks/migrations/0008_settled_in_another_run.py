"""A run may keep what people have settled in another one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tracks', '0007_what_the_queue_filters_by'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='settled_from',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='carried_to', to='tracks.run'),
        ),
        migrations.AddField(
            model_name='run',
            name='settled_hash',
            field=models.CharField(blank=True, max_length=64, verbose_name='SHA-256 over the settled links that were kept'),
        ),
    ]
