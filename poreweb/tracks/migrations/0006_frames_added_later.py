from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tracks', '0005_certainty_and_alternatives'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='extensions',
            field=models.JSONField(blank=True, default=list, verbose_name='frames that were added after it was done'),
        ),
    ]
