//! What a whole log must hold, whoever reads it: gapless, no operation twice, every acked operation at its place,
//! nothing that nobody sent, threads that count their replies. Not here: one connection (`stream`).

use super::{Check, Position, Rule, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// # Errors  `Gapless` or `Once`: the sequence numbers don't follow `after` one by one.
pub fn check_gapless(seqs: impl IntoIterator<Item = u64>, after: u64) -> Check {
    let mut position = Position::after(after);
    seqs.into_iter().try_for_each(|seq| position.advance(seq))
}

/// The sequence number of each operation; an operation is known by its sender and `clientId`.
///
/// # Errors  `Once`: one of them is in the log twice.
pub fn index_operations<K: Ord + Debug>(
    operations: impl IntoIterator<Item = (K, u64)>,
) -> Check<BTreeMap<K, u64>> {
    let mut index = BTreeMap::new();
    for (operation, seq) in operations {
        if let Some(before) = index.get(&operation) {
            let what = format!("{operation:?} is in the log at {before} and at {seq}");
            return Err(Violation::new(Rule::Once, what));
        }
        index.insert(operation, seq);
    }
    Ok(index)
}

/// # Errors  `Acked`: an acked operation isn't in the log, or has another sequence number there.
pub fn check_acked<'a, K: Ord + Debug + 'a>(
    acks: impl IntoIterator<Item = (&'a K, u64)>,
    log: &BTreeMap<K, u64>,
) -> Check {
    for (operation, acked) in acks {
        match log.get(operation) {
            Some(seq) if *seq == acked => {}
            logged => {
                let what = format!("{operation:?} was acked at {acked} and is in the log at {logged:?}");
                return Err(Violation::new(Rule::Acked, what));
            }
        }
    }
    Ok(())
}

/// # Errors  `Sent`: the log holds an operation that nobody sent.
pub fn check_sent<K: Ord + Debug>(log: &BTreeMap<K, u64>, sent: &BTreeSet<K>) -> Check {
    match log.iter().find(|(operation, _)| !sent.contains(operation)) {
        None => Ok(()),
        Some((operation, seq)) => {
            Err(Violation::new(Rule::Sent, format!("nobody sent {operation:?}, in the log at {seq}")))
        }
    }
}

/// A message as far as threads are concerned.
#[derive(Clone, Debug)]
pub struct ThreadEntry<T> {
    pub id: String,
    pub root: Option<String>,
    pub is_deleted: bool,
    pub created_at: T,
    pub reply_count: u64,
    pub last_reply_at: Option<T>,
}

/// # Takes   all messages of a room, ascending by sequence number.
/// # Errors  `Threads`: a message doesn't count the replies that exist, or names another time of the newest one.
pub fn check_threads<T: Clone + Debug + PartialEq>(messages: &[ThreadEntry<T>]) -> Check {
    for message in messages {
        let is_reply =
            |entry: &&ThreadEntry<T>| entry.root.as_ref() == Some(&message.id) && !entry.is_deleted;
        let replies: Vec<_> = messages.iter().filter(is_reply).collect();
        let expected = (replies.len() as u64, replies.last().map(|reply| reply.created_at.clone()));
        let actual = (message.reply_count, message.last_reply_at.clone());
        if actual != expected {
            let what = format!("thread {}: {actual:?} instead of {expected:?}", message.id);
            return Err(Violation::new(Rule::Threads, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule<T>(check: Check<T>) -> Option<Rule> {
        check.err().map(|violation| violation.rule)
    }

    #[test]
    fn a_log_is_gapless_from_its_floor_on() {
        assert_eq!(rule(check_gapless([4, 5, 6], 3)), None);
        assert_eq!(rule(check_gapless([4, 6], 3)), Some(Rule::Gapless));
        assert_eq!(rule(check_gapless([4, 4], 3)), Some(Rule::Once));
    }

    #[test]
    fn acked_operations_are_in_the_log_once_and_nothing_is_invented() {
        let index = index_operations([("alice/1", 1), ("bob/1", 2)]).unwrap();
        assert_eq!(rule(index_operations([("alice/1", 1), ("alice/1", 2)])), Some(Rule::Once));
        assert_eq!(rule(check_acked([(&"bob/1", 2)], &index)), None);
        assert_eq!(rule(check_acked([(&"bob/1", 3)], &index)), Some(Rule::Acked));
        assert_eq!(rule(check_acked([(&"bob/2", 3)], &index)), Some(Rule::Acked));
        assert_eq!(rule(check_sent(&index, &BTreeSet::from(["alice/1", "bob/1", "bob/2"]))), None);
        assert_eq!(rule(check_sent(&index, &BTreeSet::from(["alice/1"]))), Some(Rule::Sent));
    }

    #[test]
    fn a_root_counts_the_replies_that_exist() {
        let entry = |id: &str, root: Option<&str>, is_deleted, created_at| ThreadEntry {
            id: id.into(),
            root: root.map(str::to_owned),
            is_deleted,
            created_at,
            reply_count: 0,
            last_reply_at: None,
        };
        let mut root = entry("1", None, false, 10);
        let replies = [entry("2", Some("1"), false, 20), entry("3", Some("1"), true, 30)];
        let all = |root: &ThreadEntry<i32>| [&[root.clone()][..], &replies[..]].concat();
        assert_eq!(rule(check_threads(&all(&root))), Some(Rule::Threads));
        (root.reply_count, root.last_reply_at) = (1, Some(20));
        assert_eq!(rule(check_threads(&all(&root))), None);
        root.last_reply_at = Some(30);
        assert_eq!(rule(check_threads(&all(&root))), Some(Rule::Threads));
    }
}
