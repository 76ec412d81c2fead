//! Which profiles this isolate has written lately, so that a person's requests write theirs only when their token says
//! something new, or once an hour.
//! Not here: the statement (`db::put_people`), and when it runs (`shell`).

use crate::auth::Identity;
use crate::ids::UnixMs;
use crate::limits::{PROFILE_EVERY_MS, PROFILES_KEPT_MAX};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// By tenant and person: a hash of what their token contained, and when it was written.
#[derive(Default)]
pub struct WrittenProfiles(HashMap<u64, (u64, UnixMs)>);

impl WrittenProfiles {
    /// Whether the person's profile must be written. The caller writes it then, so the next answer is false.
    pub fn take_due(&mut self, caller: &Identity, now: UnixMs) -> bool {
        let claims = hash(&(&caller.name, &caller.picture));
        let known = self.0.get(&key(caller)).copied();
        if known.is_some_and(|(hash, at)| hash == claims && now < at.saturating_add(PROFILE_EVERY_MS)) {
            return false;
        }
        // Rarely, and at no cost but writing them once more.
        if self.0.len() >= PROFILES_KEPT_MAX {
            self.0.clear();
        }
        self.0.insert(key(caller), (claims, now));
        true
    }

    /// The profile was not written.
    pub fn forget(&mut self, caller: &Identity) {
        self.0.remove(&key(caller));
    }
}

fn key(caller: &Identity) -> u64 {
    hash(&(&caller.tenant, &caller.user))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{TenantId, UserId};

    fn caller(tenant: &str, user: &str, name: Option<&str>) -> Identity {
        let (tenant, user) = (TenantId::parse(tenant).unwrap(), UserId::parse(user).unwrap());
        Identity { name: name.map(str::to_owned), ..Identity::of(tenant, user, 0) }
    }

    #[test]
    fn a_profile_is_written_when_the_token_says_something_new_and_once_an_hour() {
        let mut written = WrittenProfiles::default();
        let alice = caller("acme", "alice", Some("Alice"));
        assert!(written.take_due(&alice, 0) && !written.take_due(&alice, PROFILE_EVERY_MS - 1));
        assert!(written.take_due(&caller("acme", "alice", Some("Alice B.")), 1), "another name");
        assert!(written.take_due(&caller("other", "alice", Some("Alice B.")), 1), "another tenant's");
        assert!(!written.take_due(&caller("acme", "alice", Some("Alice B.")), PROFILE_EVERY_MS));
        assert!(
            written.take_due(&caller("acme", "alice", Some("Alice B.")), PROFILE_EVERY_MS + 1),
            "an hour"
        );
        written.forget(&alice);
        assert!(written.take_due(&alice, PROFILE_EVERY_MS + 2), "it was not written");
        for n in 0..2 * PROFILES_KEPT_MAX {
            written.take_due(&caller("acme", &n.to_string(), None), 0);
        }
        assert!(written.0.len() <= PROFILES_KEPT_MAX);
    }
}
