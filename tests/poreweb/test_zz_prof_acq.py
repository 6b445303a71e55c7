import cProfile, pstats, time, pytest
from poreweb.acquire import actions
from tests.jsoc import JsocStandIn, small_archive
from tests.poreweb.acquiring import *
def test_it(settings, tmp_path, team, alice, queues):
    archive = small_archive(3)
    with JsocStandIn(archive, delay_s=0) as s:
        settings.JSOC_URL=f"{s.address}/"; settings.VAR_DIR=tmp_path; settings.MIN_FREE_MB=0; settings.JSOC_PACE_S=1
        settings.JSOC_MAX_RECORDS=2
        acquired(team, alice, queues, segments=("continuum","Br"))
        from poreweb.observations.models import RawFile, Patch
        Patch.objects.all().delete()
        pr=cProfile.Profile(); t=time.process_time(); w=time.perf_counter(); pr.enable()
        acquired(team, alice, queues, segments=("continuum","Br"))
        pr.disable(); print("cpu", time.process_time()-t, "wall", time.perf_counter()-w)
        print(RawFile.objects.count(), len(s.log))
        pstats.Stats(pr).sort_stats("cumulative").print_stats(45)
