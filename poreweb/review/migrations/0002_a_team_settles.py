"""From one verdict that counts to a team that settles: acts, standings, settlements."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('review', '0001_initial'),
        ('tracks', '0007_what_the_queue_filters_by'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='reviewentry',
            name='state_after',
            field=models.CharField(choices=[('pending', 'pending'), ('accepted', 'accepted'), ('rejected', 'rejected'), ('corrected', 'corrected'), ('unsure', 'unsure'), ('disputed', 'disputed')], default='pending', max_length=10),
        ),
        migrations.AddField(
            model_name='reviewentry',
            name='state_before',
            field=models.CharField(choices=[('pending', 'pending'), ('accepted', 'accepted'), ('rejected', 'rejected'), ('corrected', 'corrected'), ('unsure', 'unsure'), ('disputed', 'disputed')], default='pending', max_length=10),
        ),
        migrations.AddField(
            model_name='reviewentry',
            name='what',
            field=models.CharField(choices=[('verdict', 'verdict'), ('settlement', 'settlement')], default='verdict', max_length=10),
        ),
        migrations.AddField(
            model_name='verdict',
            name='carried_from',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='tracks.event'),
        ),
        migrations.AddField(
            model_name='verdict',
            name='correction',
            field=models.JSONField(blank=True, default=dict, verbose_name='links added and removed, spurious pores'),
        ),
        migrations.AddField(
            model_name='verdict',
            name='joined',
            field=models.JSONField(blank=True, default=list, verbose_name='keys of other events that are one with this one'),
        ),
        migrations.AddField(
            model_name='verdict',
            name='reason',
            field=models.CharField(blank=True, choices=[('balance', 'area or flux balance'), ('motion', 'motion'), ('shape', 'shape'), ('field', 'magnetic field'), ('limb', 'too near the limb'), ('blur', 'bad image'), ('fragment', 'transient fragment'), ('no_pore', 'not a pore'), ('other', 'other')], max_length=10),
        ),
        migrations.RenameField(model_name='reviewentry', old_name='after', new_name='old_after'),
        migrations.AddField(model_name='reviewentry', name='after', field=models.JSONField(null=True)),
        migrations.RenameField(model_name='reviewentry', old_name='before', new_name='old_before'),
        migrations.AddField(model_name='reviewentry', name='before', field=models.JSONField(null=True)),
        migrations.AlterField(
            model_name='verdict',
            name='choice',
            field=models.CharField(choices=[('accept', 'accepted'), ('reject', 'rejected'), ('correct', 'corrected'), ('unsure', 'unsure')], max_length=10),
        ),
        migrations.CreateModel(
            name='Act',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('verdict', 'verdict'), ('bulk', 'verdicts in bulk'), ('track', 'verdict on a track'), ('settle', 'settlement'), ('carry', 'carried over'), ('undo', 'undo'), ('redo', 'redo')], max_length=10)),
                ('words', models.CharField(blank=True, max_length=300, verbose_name='what it was on, when that is more than one event')),
                ('at', models.DateTimeField()),
                ('is_undone', models.BooleanField(default=False)),
                ('is_closed', models.BooleanField(default=False, verbose_name='undone, and no longer to be done again')),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acts', to=settings.AUTH_USER_MODEL)),
                ('of', models.ForeignKey(null=True, on_delete=django.db.models.deletion.RESTRICT, related_name='steps', to='review.act')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acts', to='tracks.run')),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.AddField(
            model_name='reviewentry',
            name='act',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='review.act'),
        ),
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='tracks.event')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='GoldEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('choice', models.CharField(choices=[('accept', 'accepted'), ('reject', 'rejected'), ('correct', 'corrected'), ('unsure', 'unsure')], max_length=10)),
                ('correction', models.JSONField(blank=True, default=dict, verbose_name='links added and removed, spurious pores')),
                ('joined', models.JSONField(blank=True, default=list, verbose_name='keys of other events that are one with this one')),
                ('at', models.DateTimeField(auto_now_add=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='gold', to='tracks.event')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('event', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='tracks.event')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['since', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Settlement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('choice', models.CharField(choices=[('accept', 'accepted'), ('reject', 'rejected'), ('correct', 'corrected'), ('unsure', 'unsure')], max_length=10)),
                ('correction', models.JSONField(blank=True, default=dict, verbose_name='links added and removed, spurious pores')),
                ('joined', models.JSONField(blank=True, default=list, verbose_name='keys of other events that are one with this one')),
                ('note', models.TextField(blank=True, max_length=2000)),
                ('at', models.DateTimeField()),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='settlement', to='tracks.event')),
            ],
            options={
                'ordering': ['at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Standing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('pending', 'pending'), ('accepted', 'accepted'), ('rejected', 'rejected'), ('corrected', 'corrected'), ('unsure', 'unsure'), ('disputed', 'disputed')], default='pending', max_length=10)),
                ('n_verdicts', models.PositiveSmallIntegerField(default=0)),
                ('version', models.PositiveIntegerField(default=0)),
                ('settled_at', models.DateTimeField(null=True)),
                ('stale', models.TextField(blank=True)),
                ('changed_at', models.DateTimeField()),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='standing', to='tracks.event')),
            ],
        ),
        migrations.AddIndex(
            model_name='act',
            index=models.Index(fields=['run', 'by', '-id'], name='review_act_run_id_099943_idx'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.UniqueConstraint(fields=('event', 'user'), name='assigned_once'),
        ),
        migrations.AddConstraint(
            model_name='lease',
            constraint=models.UniqueConstraint(fields=('event', 'user'), name='one_lease_per_user'),
        ),
        migrations.AddIndex(
            model_name='standing',
            index=models.Index(fields=['state'], name='review_stan_state_d0d7d2_idx'),
        ),
    ]
