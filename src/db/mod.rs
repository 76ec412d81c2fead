//! Postgres: every statement of the system, one function each, over the port `Postgres`.
//!
//! The SQL stands in `sql/*.sql`. What runs most often is a function that a migration creates, because a backend keeps
//! the plans of a function and plans a statement each time it comes. Every statement takes one `jsonb` parameter,
//! returns one row of one `json` column, and may be run twice: a reply can be lost after the commit (docs/PLATFORM.md,
//! "Postgres through Hyperdrive"). A statement that changes a room locks its row in `chat_rooms` first, which puts
//! changes in order.
//! Not here: connections, timeouts and retries (the port and its callers), nor who may do what.

mod access;
mod audit;
mod blocks;
mod cursor;
mod inbox;
mod members;
mod mentions;
mod notify;
mod people;
mod place;
mod port;
mod profiles;
mod projection;
mod push;
mod quotas;
mod reports;
mod restore;
mod rooms;
mod saved;
mod search;
mod search_words;
mod threads;
mod unread;

pub use access::{
    Access, Account, Notify, RoomSnapshot, ShownPerson, SnapshotBan, SnapshotChange, SnapshotMember, access,
    room_snapshot,
};
pub use audit::{AuditCursor, AuditRow, ReportedMessage, list_audit};
pub use blocks::{BlockSet, Meeting, list_blocks, meeting, set_block};
pub use cursor::{Page, format as format_cursor, parse as parse_cursor};
pub use inbox::{
    FoundNotice, InboxAsked, InboxRoom, InboxSeen, NoticesAfter, NoticesOfRoom, PendingNotice, SavedAfter,
    begin_inbox_lease, end_inbox_lease, inbox_rooms, inboxes_of_partners, write_presence,
};
pub use members::{list_members, notify_settings};
pub use mentions::mentions;
pub use notify::{
    Absent, Notice, NoticeEvent, Notices, NotificationPayload, PushRetry, QueueMessage, notification_payload,
};
pub use people::{Applied, AppliedChange, BanPut, ChangeSet, MemberPut, NotifyPut, Settings, apply};
pub use place::{Found, Place};
pub use port::{DbError, Failure, Postgres, Quota, ping};
pub use profiles::{
    Directory, DirectoryPlace, EndSessions, ProfilePut, ProfileWriter, account, directory, end_sessions,
    ensure_active, own_profile, people_by_id, people_of_room, put_people,
};
pub use projection::{
    Marker, MessagePage, MessageRow, PageBounds, PinRow, Projected, Projection, ReactionChange, ReactionRow,
    VersionRow, messages_after, project,
};
pub use push::{
    Addressee, Device, Subscription, drop_subscriptions, list_subscriptions, put_subscription, take_pushes,
};
pub use quotas::{count_file, count_report, release_files};
pub use reports::{
    Report, ReportState, get_report, list_own_reports, list_reports, resolve_report, write_reports,
};
pub use restore::{Restored, RoomCopy, erase_room, restore_room};
pub use rooms::{
    Created, NewRoom, RoomCursor, RoomPage, RoomSeen, create_room, direct_key, get_room, list_rooms,
};
pub use saved::{
    SavedChange, SavedChanges, SavedMessage, SavedPage, SavedSet, list_saved, parse_saved_cursor, set_saved,
};
pub use search::{Filter, Has, Hits, Scope, search, search_scope};
pub use search_words::{Term, Words};
pub use threads::{FollowedThread, ThreadsPage, list_threads, mark_thread_read};
pub use unread::{parse_unread_cursor, unread};
