from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tracks", "0010_fetching"),
    ]

    operations = [
        migrations.AlterField(
            model_name="feature",
            name="area_projected_mm2",
            field=models.FloatField(null=True),
        ),
        migrations.AlterField(
            model_name="feature",
            name="lat_deg",
            field=models.FloatField(null=True, verbose_name="latitude"),
        ),
        migrations.AlterField(
            model_name="feature",
            name="lon_deg",
            field=models.FloatField(null=True, verbose_name="Carrington longitude"),
        ),
    ]
