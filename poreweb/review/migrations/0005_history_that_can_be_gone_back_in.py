"""Steps back bring all of it back: the order of settlements, and what was stale."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('review', '0004_one_history'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='settlement',
            options={'ordering': ['at', 'event']},
        ),
        migrations.AddField(
            model_name='reviewentry',
            name='stale_before',
            field=models.TextField(blank=True),
        ),
        migrations.AlterField(
            model_name='act',
            name='kind',
            field=models.CharField(choices=[('verdict', 'verdict'), ('bulk', 'verdicts in bulk'), ('track', 'verdict on a track'), ('settle', 'settlement'), ('carry', 'carried over'), ('rules', 'other rules'), ('undo', 'undo'), ('redo', 'redo')], max_length=10),
        ),
        migrations.AlterField(
            model_name='reviewentry',
            name='what',
            field=models.CharField(choices=[('verdict', 'verdict'), ('settlement', 'settlement'), ('rules', 'rules')], default='verdict', max_length=10),
        ),
    ]
