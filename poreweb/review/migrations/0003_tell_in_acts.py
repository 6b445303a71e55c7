"""The history of before, an act for each entry; and what the verdicts that stand have settled."""

from django.db import migrations

STATES = {"accept": "accepted", "reject": "rejected", "unsure": "unsure"}


def tell_in_acts(apps, schema_editor):
    """Each entry of before was one act on one event; the verdicts that stand settle what they did before."""
    model = {name: apps.get_model("review", name) for name in ("ReviewEntry", "Act", "Verdict", "Standing", "Settlement")}
    act_of = {}
    for entry in model["ReviewEntry"].objects.order_by("pk").select_related("event").iterator():
        undone = act_of.get(entry.undoes_id)
        act = model["Act"].objects.create(
            run_id=entry.event.run_id, by_id=entry.reviewer_id, kind="undo" if undone else "verdict", at=entry.at, of=undone
        )
        if undone:
            model["Act"].objects.filter(pk=undone.pk).update(is_undone=True)
        act_of[entry.pk] = act
        entry.act = act
        for end, note in (("before", entry.before_note), ("after", entry.note)):
            choice = getattr(entry, f"old_{end}")
            told = {"choice": choice, "reason": "", "note": note, "correction": {}, "joined": []} if choice else None
            setattr(entry, end, told)
            setattr(entry, f"state_{end}", STATES.get(choice, "pending"))
        entry.save()
    verdicts_of = {}
    for verdict in model["Verdict"].objects.order_by("-given_at", "-pk"):
        verdicts_of.setdefault(verdict.event_id, []).append(verdict)
    for event_id, verdicts in verdicts_of.items():
        choices = {verdict.choice for verdict in verdicts} - {"unsure"}
        state = "disputed" if len(choices) > 1 else STATES[next(iter(choices), "unsure")]
        at = verdicts[0].given_at
        settles = len(choices) == 1
        model["Standing"].objects.create(
            event_id=event_id, state=state, n_verdicts=len(verdicts), version=len(verdicts), changed_at=at,
            settled_at=at if settles else None,
        )
        if settles:
            model["Settlement"].objects.create(event_id=event_id, choice=next(iter(choices)), at=at)


class Migration(migrations.Migration):
    dependencies = [("review", "0002_a_team_settles")]
    operations = [migrations.RunPython(tell_in_acts, migrations.RunPython.noop)]
