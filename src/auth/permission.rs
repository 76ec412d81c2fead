//! Who may do what in a room: one table.
//! Not here: states that stand in anybody's way (archived, muted, banned, slow mode) and who is in a room.

use crate::error::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// A role in a room, each above the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Moderator,
    Admin,
    Owner,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Member, Self::Moderator, Self::Admin, Self::Owner];

    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Everything of the contract that somebody may or may not do. `target` is the other person's role in the room;
/// doing it to oneself is another action (`Leave`) or no permission's matter (the last owner: 409).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The room, its members, history, threads, files; typing, markers, notification settings.
    Read,
    Talk,
    React,
    Report,
    Leave,
    EditOwn,
    DeleteOwn,
    ReadOwnVersions,
    EditOthers,
    DeleteOthers,
    ReadOthersVersions,
    ReadAudit,
    SetSlowMode,
    /// To talk faster than the slow mode.
    IgnoreSlowMode,
    /// Muting and unmuting, banning and unbanning. Somebody who isn't in the room is a `Member` here.
    Mute {
        target: Role,
    },
    Ban {
        target: Role,
    },
    ChangeRoom,
    AddPeople,
    RemovePerson {
        target: Role,
    },
    /// `to: Owner` hands the room over.
    SetRole {
        target: Role,
        to: Role,
    },
    /// `@room` where `roomMention` is `admins`.
    MentionRoomAmongAdmins,
    DeleteRoom,
    /// A room's way to Postgres: looking at it, trying again or giving up what was set aside. For the tenant's admins,
    /// whether they are in the room or not.
    TendRoomOutbox,
    /// All of a tenant's.
    ReadTenantOutbox,
}

/// A tenant's moderators and admins have that role in each room they are in.
pub fn effective_role(room_role: Role, tenant_role: Option<Role>) -> Role {
    tenant_role.map_or(room_role, |tenant_role| room_role.max(tenant_role))
}

/// The table.
fn may(role: Role, tenant_role: Option<Role>, action: Action) -> bool {
    use Action::*;
    use Role::*;
    match action {
        Read | Talk | React | Report | Leave | EditOwn | DeleteOwn | ReadOwnVersions => role >= Member,
        EditOthers | DeleteOthers | ReadOthersVersions | ReadAudit => role >= Moderator,
        SetSlowMode | IgnoreSlowMode => role >= Moderator,
        Mute { target } | Ban { target } => role >= Moderator && target < role,
        ChangeRoom | AddPeople | MentionRoomAmongAdmins => role >= Admin,
        RemovePerson { target } => role >= Admin && target < role,
        SetRole { target, to: Owner } => role == Owner && target < role,
        SetRole { target, to } => role >= Admin && target < role && to < role,
        DeleteRoom => role == Owner,
        TendRoomOutbox | ReadTenantOutbox => tenant_role == Some(Admin),
    }
}

/// Decides one action.
///
/// # Takes   `role`: in the room, its own or already the effective one; `None`: not in the room.
/// # Errors  room_not_found → not in the room: that it exists isn't revealed. forbidden → the role is too low.
pub fn authorize(role: Option<Role>, tenant_role: Option<Role>, action: Action) -> Result<(), Refusal> {
    let allowed = match role {
        Some(role) => may(effective_role(role, tenant_role), tenant_role, action),
        None => {
            matches!(action, Action::TendRoomOutbox | Action::ReadTenantOutbox)
                && may(Role::Member, tenant_role, action)
        }
    };
    match (allowed, role, action) {
        (true, ..) => Ok(()),
        (false, None, action) if action != Action::ReadTenantOutbox => {
            Err(Refusal::new(Code::RoomNotFound, "there is no such room"))
        }
        (false, ..) => Err(Refusal::new(Code::Forbidden, "your role doesn't allow this")),
    }
}

/// Whether an action changes who is in a room, or as what: in a direct room nobody may (403).
pub fn is_membership_change(action: Action) -> bool {
    use Action::*;
    matches!(action, Leave | AddPeople | RemovePerson { .. } | SetRole { .. })
}
