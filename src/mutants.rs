//! Defects on purpose: the simulator must catch each of them (`cargo xtask sim --mutants`).
//! Without the feature `mutants`, which no build of the Worker has, `is` is false at compile time and nothing stays.
//! Not here: what the right code does; each mutant stands where its defect would.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    AckBeforeWrite,
    SeqFromMemory,
    InsertWithoutConflict,
    ConflictRetriedForEver,
    DedupeWithoutSender,
    AlarmAwaitsDrain,
    AlarmAtNow,
    BroadcastStopsAtFailure,
    CloseFailureStops,
    PresenceOfOneSocket,
    HeadBeforeSocket,
    MissingTableIsPoison,
    MembershipNeverRefreshed,
    NoBudgetOnASlowSocket,
    LookUpBeforeSeq,
    RoomNameNotInjective,
    DeleteKeepsVersions,
    EditWithoutVersionCheck,
    StaleMarkerWins,
    ReplyGoneStillCounted,
    NotifiedBeforeProjected,
    NotifiedWatermarkForgotten,
    // Defects that the simulator found; see `sim/src/pinned.rs`.
    ToldFromNothing,
    ConnectionIdTwice,
    AheadUncompared,
    AlarmTrusted,
    HalfOpenLeft,
    SetBackForgotten,
    // One that the fault tests found.
    DrainSpins,
    // People and rooms.
    RefreshWithoutEvents,
    RefreshInTwoWritings,
    RemovedAfterAnswer,
    PlanWithoutVersion,
    BannedCanBeAdded,
    BanWithoutEnd,
    MuteForgotten,
    // Files.
    UploadUnnoted,
    DeletedFileForgotten,
    RemovalTakenForGranted,
    StraysForgotten,
    // What stands in the way of talking, and a room's end.
    EditsUnjudged,
    SlowModeForgotten,
    AuditForgotten,
    DoomUnwritten,
    RoomFilesForgotten,
    // Found by the simulator.
    WipeForgotten,
    GoneButOpen,
    RefusalOutlived,
}

#[cfg(not(feature = "mutants"))]
mod active {
    use crate::ids::Seq;

    #[inline(always)]
    pub const fn is(_: super::Mutant) -> bool {
        false
    }

    pub fn remember(_: Option<Seq>) {}

    #[inline(always)]
    pub const fn remembered() -> Option<Seq> {
        None
    }
}

#[cfg(feature = "mutants")]
mod active {
    use super::Mutant;
    use crate::ids::Seq;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
        static HEAD: Cell<Option<Seq>> = const { Cell::new(None) };
    }

    /// From now on, on this thread, the system has this defect.
    pub fn activate(mutant: Option<Mutant>) {
        ACTIVE.set(mutant);
        HEAD.set(None);
    }

    pub fn is(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }

    /// For `HeadBeforeSocket`: the head as it was read too early.
    pub fn remember(head: Option<Seq>) {
        HEAD.set(head);
    }

    pub fn remembered() -> Option<Seq> {
        HEAD.take()
    }

    impl Mutant {
        /// Each with its name on the command line.
        pub const ALL: [(Mutant, &str); 48] = [
            (Mutant::AckBeforeWrite, "ack-before-write"),
            (Mutant::SeqFromMemory, "seq-from-memory"),
            (Mutant::InsertWithoutConflict, "insert-without-conflict"),
            (Mutant::ConflictRetriedForEver, "conflict-retried-for-ever"),
            (Mutant::DedupeWithoutSender, "dedupe-without-sender"),
            (Mutant::AlarmAwaitsDrain, "alarm-awaits-drain"),
            (Mutant::AlarmAtNow, "alarm-at-now"),
            (Mutant::BroadcastStopsAtFailure, "broadcast-stops-at-failure"),
            (Mutant::CloseFailureStops, "close-failure-stops"),
            (Mutant::PresenceOfOneSocket, "presence-of-one-socket"),
            (Mutant::HeadBeforeSocket, "head-before-socket"),
            (Mutant::MissingTableIsPoison, "missing-table-is-poison"),
            (Mutant::MembershipNeverRefreshed, "membership-never-refreshed"),
            (Mutant::NoBudgetOnASlowSocket, "no-budget-on-a-slow-socket"),
            (Mutant::LookUpBeforeSeq, "look-up-before-seq"),
            (Mutant::RoomNameNotInjective, "room-name-not-injective"),
            (Mutant::DeleteKeepsVersions, "delete-keeps-versions"),
            (Mutant::EditWithoutVersionCheck, "edit-without-version-check"),
            (Mutant::StaleMarkerWins, "stale-marker-wins"),
            (Mutant::ReplyGoneStillCounted, "reply-gone-still-counted"),
            (Mutant::NotifiedBeforeProjected, "notified-before-projected"),
            (Mutant::NotifiedWatermarkForgotten, "notified-watermark-forgotten"),
            (Mutant::ToldFromNothing, "told-from-nothing"),
            (Mutant::ConnectionIdTwice, "connection-id-twice"),
            (Mutant::AheadUncompared, "ahead-uncompared"),
            (Mutant::AlarmTrusted, "alarm-trusted"),
            (Mutant::HalfOpenLeft, "half-open-left"),
            (Mutant::SetBackForgotten, "set-back-forgotten"),
            (Mutant::DrainSpins, "drain-spins"),
            (Mutant::RefreshWithoutEvents, "refresh-without-events"),
            (Mutant::RefreshInTwoWritings, "refresh-in-two-writings"),
            (Mutant::RemovedAfterAnswer, "removed-after-answer"),
            (Mutant::PlanWithoutVersion, "plan-without-version"),
            (Mutant::BannedCanBeAdded, "banned-can-be-added"),
            (Mutant::BanWithoutEnd, "ban-without-end"),
            (Mutant::MuteForgotten, "mute-forgotten"),
            (Mutant::UploadUnnoted, "upload-unnoted"),
            (Mutant::DeletedFileForgotten, "deleted-file-forgotten"),
            (Mutant::RemovalTakenForGranted, "removal-taken-for-granted"),
            (Mutant::StraysForgotten, "strays-forgotten"),
            (Mutant::EditsUnjudged, "edits-unjudged"),
            (Mutant::SlowModeForgotten, "slow-mode-forgotten"),
            (Mutant::AuditForgotten, "audit-forgotten"),
            (Mutant::DoomUnwritten, "doom-unwritten"),
            (Mutant::RoomFilesForgotten, "room-files-forgotten"),
            (Mutant::WipeForgotten, "wipe-forgotten"),
            (Mutant::GoneButOpen, "gone-but-open"),
            (Mutant::RefusalOutlived, "refusal-outlived"),
        ];
    }
}

pub use active::*;
