//! Rules of who may do what: the contract's table, spelled out for every role and action.

use super::*;
use crate::protocol::room::RoomKind;
use Action::*;
use Role::*;

/// For each action: may a member, a moderator, an admin, the owner do it?
const TABLE: &[(Action, [bool; 4])] = &[
    (Read, [true, true, true, true]),
    (Talk, [true, true, true, true]),
    (React, [true, true, true, true]),
    (Report, [true, true, true, true]),
    (Leave, [true, true, true, true]),
    (EditOwn, [true, true, true, true]),
    (DeleteOwn, [true, true, true, true]),
    (ReadOwnVersions, [true, true, true, true]),
    (EditOthers, [false, true, true, true]),
    (DeleteOthers, [false, true, true, true]),
    (ReadOthersVersions, [false, true, true, true]),
    (ReadAudit, [false, true, true, true]),
    (SetSlowMode, [false, true, true, true]),
    (IgnoreSlowMode, [false, true, true, true]),
    (Mute { target: Member }, [false, true, true, true]),
    (Mute { target: Moderator }, [false, false, true, true]),
    (Mute { target: Admin }, [false, false, false, true]),
    (Mute { target: Owner }, [false, false, false, false]),
    (Ban { target: Member }, [false, true, true, true]),
    (Ban { target: Moderator }, [false, false, true, true]),
    (Ban { target: Admin }, [false, false, false, true]),
    (Ban { target: Owner }, [false, false, false, false]),
    (ChangeRoom, [false, false, true, true]),
    (Pin, [false, false, true, true]),
    (AddPeople, [false, false, true, true]),
    (MentionRoomAmongAdmins, [false, false, true, true]),
    (RemovePerson { target: Member }, [false, false, true, true]),
    (RemovePerson { target: Moderator }, [false, false, true, true]),
    (RemovePerson { target: Admin }, [false, false, false, true]),
    (RemovePerson { target: Owner }, [false, false, false, false]),
    (SetRole { target: Member, to: Member }, [false, false, true, true]),
    (SetRole { target: Member, to: Moderator }, [false, false, true, true]),
    (SetRole { target: Member, to: Admin }, [false, false, false, true]),
    (SetRole { target: Member, to: Owner }, [false, false, false, true]),
    (SetRole { target: Moderator, to: Member }, [false, false, true, true]),
    (SetRole { target: Moderator, to: Moderator }, [false, false, true, true]),
    (SetRole { target: Moderator, to: Admin }, [false, false, false, true]),
    (SetRole { target: Moderator, to: Owner }, [false, false, false, true]),
    (SetRole { target: Admin, to: Member }, [false, false, false, true]),
    (SetRole { target: Admin, to: Moderator }, [false, false, false, true]),
    (SetRole { target: Admin, to: Admin }, [false, false, false, true]),
    (SetRole { target: Admin, to: Owner }, [false, false, false, true]),
    (SetRole { target: Owner, to: Member }, [false, false, false, false]),
    (SetRole { target: Owner, to: Moderator }, [false, false, false, false]),
    (SetRole { target: Owner, to: Admin }, [false, false, false, false]),
    (SetRole { target: Owner, to: Owner }, [false, false, false, false]),
    (DeleteRoom, [false, false, false, true]),
    (OperateOutbox, [false, false, false, false]),
    (ListOutboxAlerts, [false, false, false, false]),
    (HandleReports, [false, false, false, false]),
    (ManagePeople, [false, false, false, false]),
];

/// What a role over the tenant allows, and a role in a room doesn't.
fn is_operation(action: Action) -> bool {
    matches!(action, OperateOutbox | ListOutboxAlerts | HandleReports | ManagePeople)
}

fn code(role: Option<Role>, tenant_role: Option<Role>, action: Action) -> Option<Code> {
    authorize(RoomKind::Group, role, tenant_role, action).err().map(|refusal| refusal.code)
}

#[test]
fn each_role_may_do_what_the_table_allows_and_nothing_else() {
    for (action, allowed) in TABLE {
        for (role, allowed) in Role::ALL.into_iter().zip(allowed) {
            let expected = (!allowed).then_some(Code::Forbidden);
            assert_eq!(code(Some(role), None, *action), expected, "{role:?} {action:?}");
        }
    }
}

#[test]
fn each_role_may_do_what_lower_roles_may() {
    for (action, allowed) in TABLE {
        assert!(allowed.is_sorted(), "{action:?}");
    }
}

#[test]
fn tenant_roles_apply_in_every_room_of_a_member() {
    for (tenant_role, index) in [(Moderator, 1), (Admin, 2)] {
        for (action, allowed) in TABLE {
            if is_operation(*action) {
                continue;
            }
            assert_eq!(
                code(Some(Member), Some(tenant_role), *action).is_none(),
                allowed[index],
                "{action:?}"
            );
            assert_eq!(
                code(Some(Owner), Some(tenant_role), *action).is_none(),
                allowed[3],
                "{action:?}: never less"
            );
        }
    }
    assert_eq!(effective_role(RoomKind::Group, Member, None), Member);
    assert_eq!(effective_role(RoomKind::Group, Member, Some(Moderator)), Moderator);
    assert_eq!(effective_role(RoomKind::Group, Admin, Some(Moderator)), Admin);
    assert_eq!(effective_role(RoomKind::Group, Owner, Some(Admin)), Owner);
}

#[test]
fn only_the_tenants_admins_operate_an_outbox_as_members_or_not() {
    for action in [OperateOutbox, ListOutboxAlerts] {
        for role in [None, Some(Member), Some(Moderator), Some(Admin), Some(Owner)] {
            assert_eq!(code(role, Some(Admin), action), None, "{role:?} {action:?}");
            for tenant_role in [None, Some(Moderator)] {
                let hidden = role.is_none() && action == OperateOutbox;
                let expected = if hidden { Code::RoomNotFound } else { Code::Forbidden };
                assert_eq!(
                    code(role, tenant_role, action),
                    Some(expected),
                    "{role:?} {tenant_role:?} {action:?}"
                );
            }
        }
    }
}

#[test]
fn report_2_reports_are_the_tenants_moderators_and_admins() {
    for role in [None, Some(Member), Some(Moderator), Some(Admin), Some(Owner)] {
        assert_eq!(code(role, None, HandleReports), Some(Code::Forbidden), "{role:?}");
        for tenant_role in [Moderator, Admin] {
            assert_eq!(code(role, Some(tenant_role), HandleReports), None, "{role:?} {tenant_role:?}");
        }
    }
}

#[test]
fn report_3_a_resolution_follows_the_table_and_in_a_direct_room_deletes_and_no_more() {
    let refused = |kind, role, tenant_role, action| {
        authorize_resolution(kind, role, tenant_role, action).err().map(|refusal| refusal.code)
    };
    for (action, allowed) in TABLE {
        for role in [None, Some(Member)] {
            assert_eq!(refused(RoomKind::Group, role, None, *action), Some(Code::Forbidden), "{action:?}");
            for (tenant_role, index) in [(Moderator, 1), (Admin, 2)] {
                if is_operation(*action) {
                    continue;
                }
                let expected = (!allowed[index]).then_some(Code::Forbidden);
                assert_eq!(
                    refused(RoomKind::Group, role, Some(tenant_role), *action),
                    expected,
                    "{action:?}"
                );
                let may = role.is_none() && *action == DeleteOthers;
                let expected = (!may).then_some(Code::Forbidden);
                assert_eq!(
                    refused(RoomKind::Direct, role, Some(tenant_role), *action),
                    expected,
                    "{action:?}"
                );
            }
        }
    }
}

#[test]
fn a_room_does_not_exist_for_non_members() {
    for (action, _) in TABLE {
        if is_operation(*action) {
            continue;
        }
        for tenant_role in [None, Some(Moderator), Some(Admin)] {
            assert_eq!(
                code(None, tenant_role, *action),
                Some(Code::RoomNotFound),
                "{tenant_role:?} {action:?}"
            );
        }
    }
}

#[test]
fn in_a_direct_room_everybody_is_a_member_who_cannot_leave() {
    for (action, allowed) in TABLE {
        let expected = !(allowed[0] && *action != Leave || *action == Pin);
        for role in Role::ALL {
            for tenant_role in [None, Some(Moderator), Some(Admin)] {
                let operates = is_operation(*action)
                    && (tenant_role == Some(Admin)
                        || tenant_role == Some(Moderator) && *action == HandleReports);
                let refused = authorize(RoomKind::Direct, Some(role), tenant_role, *action).is_err();
                assert_eq!(refused, expected && !operates, "{role:?} {tenant_role:?} {action:?}");
                assert_eq!(effective_role(RoomKind::Direct, role, tenant_role), Member);
            }
        }
    }
}

#[test]
fn roles_are_spelled_in_lower_case() {
    for role in Role::ALL {
        assert_eq!(serde_json::to_value(role).expect("JSON"), json!(role.name()));
        assert_eq!(Role::from_name(role.name()), Some(role));
    }
    assert_eq!(Role::from_name("Owner"), None);
}
