"""A count that goes on for ever outgrows a small integer where the database keeps to its size."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('exports', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='export',
            name='attempts',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='export',
            name='forgiven',
            field=models.PositiveIntegerField(default=0, verbose_name='attempts before the last retry by a person'),
        ),
    ]
