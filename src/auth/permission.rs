//! The permission table: which role may do what in a room.
//! Not here: states that restrict everybody (archived, muted, banned, slow mode), and memberships (`room`).

use crate::error::{Code, Refusal};
use crate::protocol::room::RoomKind;
use serde::{Deserialize, Deserializer, Serialize};

/// A role in a room. Each may do what the ones before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
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

    /// Reads a stored role. A role that this code does not know (a newer database during a deploy) reads as `Member`.
    pub fn read_stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&String::deserialize(deserializer)?).unwrap_or_default())
    }
}

/// Everything that needs a permission. `target` is the role of the other person in the room. Removing oneself is
/// another action (`Leave`); that the last owner can't leave is no permission (409).
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
    /// Sending faster than slow mode allows.
    IgnoreSlowMode,
    /// Muting and unmuting. A person who is not a member of the room counts as `Member`.
    Mute {
        target: Role,
    },
    /// Banning and unbanning, also of people who are not members.
    Ban {
        target: Role,
    },
    ChangeRoom,
    /// Pinning and unpinning messages.
    Pin,
    AddPeople,
    RemovePerson {
        target: Role,
    },
    /// `to: Owner` transfers the room.
    SetRole {
        target: Role,
        to: Role,
    },
    /// `@room` where `roomMention` is `admins`.
    MentionRoomAmongAdmins,
    DeleteRoom,
    /// Reading a room's outbox, and retrying or discarding quarantined rows. For the tenant's admins, whether or not
    /// they are members of the room.
    OperateOutbox,
    /// The tenant's list of outbox alerts.
    ListOutboxAlerts,
    /// The tenant's list of reports, and resolving them. For the tenant's moderators and admins.
    HandleReports,
    /// Other people's profiles and accounts. For the tenant's admins.
    ManagePeople,
}

impl Action {
    /// Whether the action is about the tenant, and a room has no part in it.
    fn is_tenants(self) -> bool {
        matches!(self, Self::ListOutboxAlerts | Self::HandleReports | Self::ManagePeople)
    }
}

/// A tenant's moderators and admins have that role in each group that they are members of. In a direct room everybody
/// is a member, whatever role is stored or the tenant gives.
pub fn effective_role(kind: RoomKind, room_role: Role, tenant_role: Option<Role>) -> Role {
    match kind {
        RoomKind::Direct => Role::Member,
        RoomKind::Group => tenant_role.map_or(room_role, |tenant_role| room_role.max(tenant_role)),
    }
}

/// The table. `role` is the effective role.
fn is_allowed(kind: RoomKind, role: Role, tenant_role: Option<Role>, action: Action) -> bool {
    use Action::*;
    use Role::*;
    match action {
        Read | Talk | React | Report | EditOwn | DeleteOwn | ReadOwnVersions => role >= Member,
        Leave => role >= Member && kind == RoomKind::Group,
        EditOthers | DeleteOthers | ReadOthersVersions | ReadAudit => role >= Moderator,
        SetSlowMode | IgnoreSlowMode => role >= Moderator,
        Mute { target } | Ban { target } => role >= Moderator && target < role,
        ChangeRoom | AddPeople | MentionRoomAmongAdmins => role >= Admin,
        Pin => role >= Admin || (role >= Member && kind == RoomKind::Direct),
        RemovePerson { target } => role >= Admin && target < role,
        SetRole { target, to: Owner } => role == Owner && target < role,
        SetRole { target, to } => role >= Admin && target < role && to < role,
        DeleteRoom => role == Owner,
        OperateOutbox | ListOutboxAlerts | ManagePeople => tenant_role == Some(Admin),
        HandleReports => tenant_role >= Some(Moderator),
    }
}

/// Refuses an action that the caller's role does not allow.
///
/// # Takes   `role`: the stored role in the room or the effective role; `None` for a person who is not a member.
/// # Errors  `room_not_found` for non-members, so that they don't learn that the room exists; `forbidden` for a role
///           that is too low.
pub fn authorize(
    kind: RoomKind,
    role: Option<Role>,
    tenant_role: Option<Role>,
    action: Action,
) -> Result<(), Refusal> {
    let allowed = match role {
        Some(role) => is_allowed(kind, effective_role(kind, role, tenant_role), tenant_role, action),
        None => {
            (action == Action::OperateOutbox || action.is_tenants())
                && is_allowed(kind, Role::Member, tenant_role, action)
        }
    };
    match (allowed, role, action) {
        (true, ..) => Ok(()),
        (false, None, action) if !action.is_tenants() => {
            Err(Refusal::new(Code::RoomNotFound, "there is no such room"))
        }
        (false, ..) => Err(Refusal::new(Code::Forbidden, "your role doesn't allow this")),
    }
}

/// Refuses what a tenant's moderator or admin may not do in a room to resolve a report. They need not be a member. In a
/// direct room they may delete the message, and nothing else; its own two people may not even do that, because neither
/// has power over the other (REPORT-3).
///
/// # Takes   `role`: the stored role in the room; `None` for a person who is not a member.
/// # Errors  `forbidden`.
pub fn authorize_resolution(
    kind: RoomKind,
    role: Option<Role>,
    tenant_role: Option<Role>,
    action: Action,
) -> Result<(), Refusal> {
    let allowed = match (kind, tenant_role) {
        (_, None) => false,
        (RoomKind::Direct, _) => role.is_none() && action == Action::DeleteOthers,
        (RoomKind::Group, Some(own)) => {
            is_allowed(kind, role.map_or(own, |role| role.max(own)), tenant_role, action)
        }
    };
    if allowed { Ok(()) } else { Err(Refusal::new(Code::Forbidden, "your role doesn't allow this")) }
}
