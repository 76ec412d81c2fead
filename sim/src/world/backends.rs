//! The services behind the rooms as they stand: Postgres' rows of each room, the bucket, the tenants' alert lists.
//! Not here: how a statement changes them and how it fails (`postgres`).

use crate::plan::{PEOPLE, ROOMS};
use chinwag::auth::Role;
use chinwag::db::{Marker, RoomSnapshot, SnapshotBan, SnapshotMember};
use chinwag::ids::{Seq, UnixMs};
use chinwag::protocol::room::RoomKind;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use testkit::FakePostgres;
use testkit::Membership;
use testkit::cast;

/// Postgres' rows of one room.
pub struct RoomRows {
    pub postgres: FakePostgres,
    pub room: RoomSnapshot,
    pub membership: Membership,
    /// Foreign rows: another message stood at these seqs, so Postgres may lack the log's.
    pub foreign_rows: BTreeMap<Seq, String>,
}

impl RoomRows {
    fn new(people: &[&str]) -> Self {
        Self {
            postgres: FakePostgres::new(),
            room: cast::group(people),
            membership: Membership::default(),
            foreign_rows: BTreeMap::new(),
        }
    }

    /// The bans in force.
    pub fn bans(&self, now: UnixMs) -> impl Iterator<Item = &SnapshotBan> {
        self.room.bans.iter().filter(move |ban| ban.until_ms.is_none_or(|until| until > now))
    }

    pub fn role(&self, user: &str) -> Option<&str> {
        self.member(user).map(|member| member.role.name())
    }

    pub fn is_muted(&self, user: &str) -> bool {
        self.member(user).is_some_and(|member| member.silenced_until_ms.is_some())
    }

    fn member(&self, user: &str) -> Option<&SnapshotMember> {
        self.room.members.iter().find(|member| member.user_id.as_str() == user)
    }

    pub fn snapshot(&self, known: u64, now: UnixMs) -> RoomSnapshot {
        let mut snapshot = self.membership.snapshot(&self.room, known, now);
        (snapshot.last_seq, snapshot.epoch) = (self.postgres.last_seq, self.postgres.epoch.clone());
        for member in &mut snapshot.members {
            let marker = self.marker_of(member);
            (member.read_generation, member.last_read_seq) = (marker.generation, marker.seq);
        }
        snapshot
    }

    /// The later one of the marker that the membership began with and the projected one.
    fn marker_of(&self, member: &SnapshotMember) -> Marker {
        let first = Marker { generation: member.read_generation, seq: member.last_read_seq };
        let projected = self.postgres.reads.get(member.user_id.as_str()).copied().unwrap_or_default();
        projected.max(first)
    }

    pub fn marker(&self, user: &str) -> Option<Marker> {
        self.member(user).map(|member| self.marker_of(member))
    }

    /// Changes the room as the tenant's own backend does, past Chinwag; the version goes up.
    pub fn change(&mut self, change: impl FnOnce(&mut RoomSnapshot)) {
        self.membership.back_up(&self.room);
        change(&mut self.room);
        self.room.members_version += 1;
        self.postgres.members_version = self.room.members_version;
    }
}

/// A tenant, and the id of a room, an object or a person.
pub type ByTenant<T> = BTreeMap<(String, String), T>;

/// The messages that a person has saved, or once had.
#[derive(Default)]
pub struct SavedRows {
    /// The number of the newest change.
    pub rev: u64,
    /// By room and message: the change since which it is saved, or is not.
    pub rows: BTreeMap<(String, String), (u64, bool)>,
}

pub struct Backends {
    /// Postgres, by tenant and room, without deleted rooms. Of a room that a restored backup lacks, `postgres.missing`.
    pub rooms: RefCell<ByTenant<RoomRows>>,
    /// The rooms that are marked as deleted, and how many pieces of each are left.
    pub erasing: RefCell<ByTenant<u64>>,
    /// The bucket of files, by key.
    pub bucket: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The files that Postgres counts among their uploaders' bytes: their keys in the bucket.
    pub counted_files: RefCell<BTreeSet<String>>,
    /// Until when each person's inbox counts as open, by tenant and person.
    pub leases: RefCell<ByTenant<UnixMs>>,
    /// What each inbox has written of its person's presence.
    pub presences: RefCell<ByTenant<String>>,
    /// Who blocks whom: tenant, person, the other one.
    pub blocks: RefCell<BTreeSet<(String, String, String)>>,
    /// People whose accounts are deactivated, by tenant.
    pub deactivated: RefCell<BTreeSet<(String, String)>>,
    /// What people have saved, by tenant and person.
    pub saved: RefCell<ByTenant<SavedRows>>,
    /// The alert lists, by tenant and room: when the room was last reported, and whether with a problem.
    pub alerts: RefCell<ByTenant<(UnixMs, bool)>>,
}

impl Backends {
    pub fn new() -> Self {
        let rooms = ROOMS.map(|(tenant, room)| ((tenant.into(), room.into()), RoomRows::new(&PEOPLE)));
        Self {
            rooms: RefCell::new(BTreeMap::from(rooms)),
            erasing: RefCell::default(),
            bucket: RefCell::default(),
            counted_files: RefCell::default(),
            leases: RefCell::default(),
            presences: RefCell::default(),
            blocks: RefCell::default(),
            deactivated: RefCell::default(),
            saved: RefCell::default(),
            alerts: RefCell::default(),
        }
    }

    /// These two have a direct room.
    pub fn add_direct(&self, (tenant, room): (&str, &str), people: [&str; 2]) {
        let mut rows = RoomRows::new(&people);
        rows.room.kind = RoomKind::Direct;
        rows.room.members.iter_mut().for_each(|member| member.role = Role::Member);
        self.rooms.borrow_mut().insert((tenant.to_owned(), room.to_owned()), rows);
    }

    /// Looks at, or changes, the rows of a room that is not deleted.
    pub fn rows<T>(&self, room: usize, work: impl FnOnce(&mut RoomRows) -> T) -> T {
        work(self.rooms.borrow_mut().get_mut(&key(room)).expect("the room is not deleted"))
    }

    pub fn is_deleted(&self, room: usize) -> bool {
        !self.rooms.borrow().contains_key(&key(room))
    }

    /// Whether a restored backup lacks the room, which is not deleted.
    pub fn is_lost(&self, room: usize) -> bool {
        self.rooms.borrow().get(&key(room)).is_some_and(|rows| rows.postgres.missing)
    }

    /// A room that Postgres has lost is deleted.
    pub fn forget_if_lost(&self, room: usize) {
        self.rooms.borrow_mut().retain(|known, rows| *known != key(room) || !rows.postgres.missing);
    }

    /// How many pieces of a deleted room Postgres still has.
    pub fn pieces_left(&self, room: usize) -> u64 {
        self.erasing.borrow().get(&key(room)).copied().unwrap_or(0)
    }

    /// The rooms that are not deleted.
    pub fn existing_rooms(&self) -> Vec<usize> {
        (0..ROOMS.len()).filter(|room| !self.is_deleted(*room)).collect()
    }

    /// Whether the tenant's alert list names the room.
    pub fn is_alerted(&self, room: usize) -> bool {
        self.alerts.borrow().get(&key(room)).is_some_and(|(_, has_problem)| *has_problem)
    }
}

fn key(room: usize) -> (String, String) {
    let (tenant, id) = ROOMS[room];
    (tenant.to_owned(), id.to_owned())
}
