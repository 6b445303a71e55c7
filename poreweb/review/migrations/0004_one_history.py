"""Entries of the history without what their acts say."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("review", "0003_tell_in_acts")]
    operations = [
        migrations.RemoveField(model_name='reviewentry', name='at'),
        migrations.RemoveField(model_name='reviewentry', name='before_note'),
        migrations.RemoveField(model_name='reviewentry', name='note'),
        migrations.RemoveField(model_name='reviewentry', name='reviewer'),
        migrations.RemoveField(model_name='reviewentry', name='undoes'),
        migrations.RemoveField(model_name='reviewentry', name='old_before'),
        migrations.RemoveField(model_name='reviewentry', name='old_after'),
        migrations.AlterField(
            model_name='reviewentry',
            name='act',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='review.act'),
        ),
    ]
