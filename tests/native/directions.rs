//! What happens in a transcript without anybody doing it: the lines in parentheses. The table is in `transcript`.

use crate::rig::Rig;
use chinwag::auth::Role;
use chinwag::db::DbError;
use chinwag::protocol::room::HistoryVisibility;
use testkit::Fault;

impl Rig {
    pub fn direct(&mut self, direction: &str) {
        let words: Vec<&str> = direction.split(' ').collect();
        let is_known = self.direct_room(&words) || self.direct_world(&words) || self.direct_postgres(&words);
        assert!(is_known, "no such direction: {direction}");
    }

    /// The room, its object and its people. False: it is another direction.
    fn direct_room(&mut self, words: &[&str]) -> bool {
        match *words {
            ["the", "room", "is", "evicted"] => self.evict(),
            ["the", "room", "crashes"] => self.crash(),
            ["the", "room", "panics"] => self.fail(),
            ["the", "room", "is", "rebuilt", ..] => {
                self.lose_storage();
                self.crash();
                self.rebuild(u64::MAX);
            }
            ["the", "room", "is", "archived"] => self.change(|s| s.archived = true),
            ["history", "is", "visible", "since", "join"] => {
                self.change(|s| s.history_visibility = HistoryVisibility::SinceJoin);
            }
            [name, "joined", "at", seq] => {
                let seq = seq.parse().unwrap();
                self.change(|s| {
                    let member = s.members.iter_mut().find(|m| m.user_id.as_str() == name);
                    member.unwrap().joined_seq = seq;
                });
            }
            ["the", "room", "is", "deleted"] => {
                (self.postgres.missing, self.room_is_deleted) = (true, true);
                self.refresh();
            }
            [name, "is", "removed"] => self.change(|s| s.members.retain(|m| m.user_id.as_str() != name)),
            [name, "becomes", role] => self.change(|s| {
                let member = s.members.iter_mut().find(|m| m.user_id.as_str() == name);
                member.unwrap().role = Role::from_name(role).unwrap();
            }),
            _ => return false,
        }
        true
    }

    /// Time, the disk, the bucket, the queue, the list of outbox alerts.
    fn direct_world(&mut self, words: &[&str]) -> bool {
        match *words {
            [n, "s", "pass" | "passes"] => self.pass(n.parse::<u64>().unwrap() * 1000),
            [n, "ms", "pass"] => self.pass(n.parse().unwrap()),
            ["the", "bucket", "is", "away"] => self.bucket_is_away = true,
            ["the", "bucket", "is", "back"] => self.bucket_is_away = false,
            ["the", "queue", "is", "watched"] => self.queue_is_watched = true,
            ["the", "queue", "is", "away"] => self.queue_is_away = true,
            ["the", "queue", "is", "back"] => self.queue_is_away = false,
            ["the", "list", "is", "watched"] => self.list_is_watched = true,
            ["the", "list", "is", "away"] => self.list_is_away = true,
            ["the", "list", "is", "back"] => self.list_is_away = false,
            ["the", "disk", "fails", "at", "statement", n] => self.sql.fails_at.set(n.parse().unwrap()),
            _ => return false,
        }
        true
    }

    /// Postgres, and batches that hang.
    fn direct_postgres(&mut self, words: &[&str]) -> bool {
        match *words {
            ["Postgres", "accepts", "poison"] => self.postgres.accepts_poison = true,
            ["Postgres", "is", "watched"] => self.watched = true,
            ["Postgres", "fails"] => self.postgres.fault = Fault::Fails(String::new()),
            ["Postgres", "fails", "with", state] => self.postgres.fault = Fault::Fails(state.into()),
            ["Postgres", "hangs"] => self.postgres.fault = Fault::Hangs,
            ["Postgres", "loses", "replies"] => self.postgres.fault = Fault::LosesReply,
            ["Postgres", "recovers"] => self.postgres.fault = Fault::None,
            ["Postgres", "is", "set", "back", "to", seq] => self.postgres.set_back(seq.parse().unwrap()),
            ["Postgres", "loses", "the", "room"] => self.postgres.missing = true,
            ["Postgres", "loses", n, "changes"] => {
                let mut room = self.snapshot.clone();
                assert!(self.membership.set_back(&mut room, n.parse().unwrap()), "there were so many");
                self.postgres.members_version = room.members_version;
                self.snapshot = room;
            }
            ["the", "hung", "batch", "commits"] => {
                let batch = self.hanging[0].batch.clone();
                let outcome = self.postgres.commit(&batch);
                self.tell("postgres", crate::render::batch(&batch, &Some(outcome.clone())));
                self.answer_hung_batch(outcome);
            }
            ["the", "hung", "batch", "is", "refused"] => {
                let error = DbError { sqlstate: Some("22021".into()), message: "late".into() };
                self.answer_hung_batch(Err(error));
            }
            _ => return false,
        }
        true
    }

    /// Changes the room in Postgres; the object asks for it.
    pub fn change(&mut self, change: impl FnOnce(&mut chinwag::db::RoomSnapshot)) {
        let before = self.snapshot.clone();
        self.membership.back_up(&before);
        change(&mut self.snapshot);
        self.snapshot.members_version += 1;
        self.postgres.members_version = self.snapshot.members_version;
        self.refresh();
    }
}
