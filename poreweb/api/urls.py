"""Addresses of the REST API."""

from django.urls import include, path

from poreweb.api.views import about, acquire, carry, consensus, context, patches, releases, review, runs, talk, teams

app_name = "api"

of_patches = [
    path("patches/", patches.Patches.as_view(), name="patches"),
    path("patches/<int:patch_id>/", patches.OnePatch.as_view(), name="patch"),
    path("patches/<int:patch_id>/frames/", patches.PatchFrames.as_view(), name="frames"),
    path("patches/<int:patch_id>/solar-events/", context.PatchSolarEvents.as_view(), name="solar-events"),
    path("patches/<int:patch_id>/solar-events/search/", context.PatchEventSearch.as_view(), name="event-search"),
    path("patches/<int:patch_id>/sharp-keywords/", context.PatchSharpKeywords.as_view(), name="sharp-keywords"),
    path("patches/<int:patch_id>/runs/", runs.PatchRuns.as_view(), name="start-run"),
    path("patches/<int:patch_id>/threads/", talk.PatchThreads.as_view(), name="threads"),
    path("patches/<int:patch_id>/releases/", releases.PatchReleases.as_view(), name="releases"),
    path("patches/<int:patch_id>/releases/<int:number>/", releases.OneRelease.as_view(), name="release"),
    path(
        "patches/<int:patch_id>/releases/<int:number>/files/<str:name>",
        releases.ReleaseFile.as_view(),
        name="release-file",
    ),
]
of_fetching = [
    path("find/", acquire.Find.as_view(), name="find"),
    path("noaa-list/", acquire.NoaaListState.as_view(), name="noaa-list"),
    path("noaa-list/refresh/", acquire.NoaaListRefresh.as_view(), name="refresh-noaa-list"),
    path("noaa-list/pairs/", acquire.NoaaPairs.as_view(), name="noaa-pairs"),
    path("acquisitions/", acquire.Acquisitions.as_view(), name="acquisitions"),
    path("acquisitions/<int:acquisition_id>/", acquire.OneAcquisition.as_view(), name="acquisition"),
    path("acquisitions/<int:acquisition_id>/records/", acquire.AcquisitionRecords.as_view(), name="records"),
    path("acquisitions/<int:acquisition_id>/order/", acquire.AcquisitionOrder.as_view(), name="order"),
    path("acquisitions/<int:acquisition_id>/cancel/", acquire.AcquisitionCancel.as_view(), name="cancel-acquisition"),
    path("acquisitions/<int:acquisition_id>/retry/", acquire.AcquisitionRetry.as_view(), name="retry-acquisition"),
    path("acquisitions/<int:acquisition_id>/go-on/", acquire.AcquisitionGoOn.as_view(), name="go-on"),
    path("teams/<int:team_id>/previews/", acquire.TeamPreviews.as_view(), name="preview"),
    path("teams/<int:team_id>/room/", acquire.TeamRoom.as_view(), name="room"),
    path("teams/<int:team_id>/watches/harp/", acquire.TeamWatchHarp.as_view(), name="watch-harp"),
    path("teams/<int:team_id>/watches/folder/", acquire.TeamWatchFolder.as_view(), name="watch-folder"),
    path("watches/", acquire.Watches.as_view(), name="watches"),
    path("watches/<int:watch_id>/", acquire.OneWatch.as_view(), name="watch"),
    path("watches/<int:watch_id>/pause/", acquire.WatchPause.as_view(), name="pause"),
    path("watches/<int:watch_id>/resume/", acquire.WatchResume.as_view(), name="resume"),
]
of_runs = [
    path("runs/", runs.Runs.as_view(), name="runs"),
    path("runs/<int:run_id>/", runs.OneRun.as_view(), name="run"),
    path("runs/<int:run_id>/extend/", runs.RunExtend.as_view(), name="extend"),
    path("runs/<int:run_id>/cancel/", runs.RunCancel.as_view(), name="cancel"),
    path("runs/<int:run_id>/retry/", runs.RunRetry.as_view(), name="retry"),
    path("runs/<int:run_id>/log/", runs.RunLog.as_view(), name="log"),
    path("runs/<int:run_id>/frames/", runs.RunFrames.as_view(), name="run-frames"),
    path("runs/<int:run_id>/frames/<int:number>/features/", runs.FrameFeatures.as_view(), name="features"),
    path("runs/<int:run_id>/tracks/", runs.RunTracks.as_view(), name="tracks"),
    path("runs/<int:run_id>/tracks/<int:number>/", runs.OneTrack.as_view(), name="track"),
    path("runs/<int:run_id>/tracks/<int:number>/features/", runs.TrackFeatures.as_view(), name="track-features"),
    path("runs/<int:run_id>/tracks/<int:number>/events/", runs.TrackEvents.as_view(), name="track-events"),
    path("runs/<int:run_id>/tracks/<int:number>/verdict/", runs.TrackVerdict.as_view(), name="judge-track"),
    path("runs/<int:run_id>/links/", runs.RunLinks.as_view(), name="links"),
    path("runs/<int:run_id>/alternatives/", runs.RunAlternatives.as_view(), name="alternatives"),
    path("runs/<int:run_id>/publication/", releases.RunPublication.as_view(), name="publication"),
    path("runs/<int:run_id>/lineage/", releases.RunLineage.as_view(), name="lineage"),
    path("runs/<int:run_id>/releases/", releases.RunReleases.as_view(), name="freeze"),
    path("runs/<int:run_id>/exports/", releases.RunExports.as_view(), name="exports"),
    path("exports/<int:export_id>/", releases.OneExport.as_view(), name="export"),
    path("exports/<int:export_id>/file/", releases.ExportFile.as_view(), name="export-file"),
]
of_review = [
    path("queue/", review.QueueEvents.as_view(), name="queue"),
    path("queue/progress/", review.QueueProgress.as_view(), name="queue-progress"),
    path("runs/<int:run_id>/events/", review.RunEvents.as_view(), name="events"),
    path("runs/<int:run_id>/progress/", review.RunProgress.as_view(), name="progress"),
    path("runs/<int:run_id>/verdicts/", review.RunVerdicts.as_view(), name="judge-all"),
    path("runs/<int:run_id>/settlements/", review.RunSettlements.as_view(), name="settlements"),
    path("runs/<int:run_id>/carry/", carry.RunCarry.as_view(), name="carry"),
    path("runs/<int:run_id>/carry/events/", carry.RunCarryEvents.as_view(), name="carry-events"),
    path("runs/<int:run_id>/steps/", review.RunSteps.as_view(), name="steps"),
    path("runs/<int:run_id>/undo/", review.RunUndo.as_view(), name="undo"),
    path("runs/<int:run_id>/redo/", review.RunRedo.as_view(), name="redo"),
    path("events/<int:event_id>/", review.OneEvent.as_view(), name="event"),
    path("events/<int:event_id>/history/", review.EventHistory.as_view(), name="history"),
    path("events/<int:event_id>/verdict/", review.EventVerdict.as_view(), name="give-verdict"),
    path("events/<int:event_id>/settlement/", review.EventSettlement.as_view(), name="settle"),
    path("events/<int:event_id>/presence/", review.EventPresence.as_view(), name="presence"),
]
of_consensus = [
    path("teams/<int:team_id>/agreement/", consensus.TeamAgreement.as_view(), name="agreement"),
    path("teams/<int:team_id>/disagreements/", consensus.TeamDisagreements.as_view(), name="disagreements"),
    path("teams/<int:team_id>/gold/", consensus.TeamGold.as_view(), name="gold"),
    path("teams/<int:team_id>/gold/measured/", consensus.TeamMeasured.as_view(), name="measured"),
    path("teams/<int:team_id>/gold/own/", consensus.TeamOwnShare.as_view(), name="own-share"),
    path("events/<int:event_id>/gold/", consensus.EventGold.as_view(), name="set-gold"),
    path("runs/<int:run_id>/gold/", consensus.RunGold.as_view(), name="gold-from-truth"),
    path("runs/<int:run_id>/assignments/", consensus.RunAssignments.as_view(), name="assignments"),
    path("runs/<int:run_id>/assignments/take-back/", consensus.RunAssignmentsTakenBack.as_view(), name="take-back"),
    path("runs/<int:run_id>/shares/", consensus.RunShares.as_view(), name="share-out"),
]
of_talk = [
    path("threads/<int:thread_id>/", talk.OneThread.as_view(), name="thread"),
    path("threads/<int:thread_id>/comments/", talk.ThreadComments.as_view(), name="reply"),
    path("threads/<int:thread_id>/resolution/", talk.ThreadResolution.as_view(), name="resolve"),
    path("threads/<int:thread_id>/read/", talk.ThreadRead.as_view(), name="mark-read"),
    path("comments/<int:comment_id>/", talk.OneComment.as_view(), name="comment"),
    path("mentions/", talk.Mentions.as_view(), name="mentions"),
    path("mentions/read/", talk.MentionsRead.as_view(), name="mentions-read"),
]
of_teams = [
    path("me/", teams.Me.as_view(), name="me"),
    path("teams/", teams.Teams.as_view(), name="teams"),
    path("teams/<int:team_id>/", teams.OneTeam.as_view(), name="team"),
    path("teams/<int:team_id>/members/", teams.TeamMembers.as_view(), name="members"),
    path("teams/<int:team_id>/invitations/", teams.TeamInvitations.as_view(), name="invitations"),
    path("teams/<int:team_id>/history/", teams.TeamHistory.as_view(), name="team-history"),
    path("members/<int:member_id>/", teams.OneMember.as_view(), name="member"),
    path("invitations/<int:invitation_id>/", teams.OneInvitation.as_view(), name="invitation"),
]
urlpatterns = [
    path("schema/", about.Schema.as_view(), name="schema"),
    path("docs/", about.docs, name="docs"),
    path("v1/", include([*of_patches, *of_fetching, *of_runs, *of_review, *of_consensus, *of_talk, *of_teams])),
    path("<path:rest>", about.Nothing.as_view(), name="nothing"),
]
