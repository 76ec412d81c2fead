//! The tenant's moderation rules, as the variable `MODERATION` sets them: words and links for everything that people
//! write for others (messages, names, topics, file names, custom emoji), floods and repeats for messages.
//! Not here: who is exempt (`send_checks`), mutes and bans (`members`), and slow mode (`slow_mode`).
//!
//! All words are in one automaton (Aho-Corasick), so a text is read once however long the list is.

use super::folded_text::{Folded, hosts};
use crate::error::{Code, Refusal};
use crate::ids::UnixMs;
use crate::limits::{
    MODERATION_TIMES_KEPT_MAX, MODERATION_WORD_CHARS_MAX, MODERATION_WORDS_MAX, RATES_KEPT_MAX,
};
use crate::protocol::message::Attachment;
use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// What is done about a message that matches a rule. A later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The message is sent, and noted in the audit log.
    Flag,
    /// What matches is replaced by asterisks before the message is stored.
    Mask,
    /// The message is refused.
    Reject,
}

/// The rules of all tenants; those under `*` apply to tenants that are not named.
#[derive(Debug, Default)]
pub struct Moderation(HashMap<String, Rc<Rules>>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Config {
    words: Words,
    links: Option<Links>,
    flood: Option<Frequency>,
    repeats: Option<Frequency>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Words {
    reject: Vec<String>,
    mask: Vec<String>,
    flag: Vec<String>,
}

/// Rules for the hosts of links. A host includes its subdomains.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Links {
    /// If there is this list, all other hosts are forbidden.
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Vec<String>,
    measure: Measure,
}

/// A rule against more than `times` messages of one person within `seconds`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Frequency {
    times: u32,
    seconds: u64,
    measure: Measure,
}

/// The rules of one tenant.
#[derive(Debug, Default)]
pub struct Rules {
    words: Option<AhoCorasick>,
    /// The measure and the name of the rule for each pattern of `words`.
    measures: Vec<(Measure, &'static str)>,
    links: Option<Links>,
    flood: Option<Frequency>,
    repeats: Option<Frequency>,
}

/// The result of the rules for a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The strongest measure, and the name of its rule.
    pub measure: Option<(Measure, &'static str)>,
    /// The text with asterisks, if a rule masks anything.
    pub masked: Option<String>,
    /// The rule that is noted in the audit log.
    pub flagged: Option<&'static str>,
}

impl Verdict {
    fn ensure_allowed(&self, field: &str) -> Result<(), Refusal> {
        match self.measure {
            Some((Measure::Reject, rule)) => Err(blocked(field, rule)),
            _ => Ok(()),
        }
    }

    fn add(&mut self, measure: Measure, rule: &'static str) {
        if self.measure.is_none_or(|(known, _)| known < measure) {
            self.measure = Some((measure, rule));
        }
        if measure == Measure::Flag {
            self.flagged.get_or_insert(rule);
        }
    }
}

/// When one person sent messages recently, and their hashes. In memory alone: a room that could hibernate was not
/// flooded.
#[derive(Debug, Default)]
struct RecentSends(VecDeque<(UnixMs, u64)>);

/// The tenant's rules as one room applies them.
#[derive(Debug, Default)]
pub struct Moderator {
    /// `None`: the tenant has no rules.
    rules: Option<Rc<Rules>>,
    recent_sends: HashMap<String, RecentSends>,
}

impl Moderator {
    pub fn new(rules: Option<Rc<Rules>>) -> Self {
        Self { rules, recent_sends: HashMap::new() }
    }

    /// Applies the rules for words and links to a message and the names of its files, and masks them where the rules ask
    /// for it.
    ///
    /// # Gives   the rule for which the message must be noted in the audit log, if any.
    /// # Errors  moderation_blocked.
    pub fn check_content(
        &self,
        content: &mut String,
        files: &mut [Attachment],
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(rules) = &self.rules else { return Ok(None) };
        let urls = files.iter().map(|file| file.url.as_str());
        let mut flagged = rules.check_text("content", content, urls)?;
        for file in files {
            flagged = flagged.or(rules.check_name("attachments", &mut file.name)?);
        }
        Ok(flagged)
    }

    /// Applies the rules to a name or a topic, and masks it where they ask for it.
    ///
    /// # Gives   the rule for which it must be noted in the audit log, if any.
    /// # Errors  moderation_blocked with this field.
    pub fn check_name(&self, field: &str, name: &mut String) -> Result<Option<&'static str>, Refusal> {
        self.rules.as_ref().map_or(Ok(None), |rules| rules.check_name(field, name))
    }

    /// Applies the rules to an emoji. A part of it can't be masked, so it is refused then.
    ///
    /// # Gives   as `check_name`.
    /// # Errors  moderation_blocked.
    pub fn check_emoji(&self, emoji: &str) -> Result<Option<&'static str>, Refusal> {
        let Some(rules) = &self.rules else { return Ok(None) };
        let verdict = rules.judge_content(&emoji.replace(['_', '-'], " "), std::iter::empty());
        match verdict.measure {
            Some((Measure::Reject | Measure::Mask, rule)) => Err(blocked("emoji", rule)),
            _ => Ok(verdict.flagged),
        }
    }

    /// Counts a message, and applies the rules for floods and repeats.
    ///
    /// # Gives   as `check_content`.
    /// # Errors  moderation_blocked.
    pub fn check_frequency(
        &mut self,
        user: &str,
        content: &str,
        now: UnixMs,
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(rules) = &self.rules else { return Ok(None) };
        if self.recent_sends.len() > RATES_KEPT_MAX {
            self.recent_sends.clear();
        }
        let recent = self.recent_sends.entry(user.to_owned()).or_default();
        let verdict = rules.judge_frequency(recent, content, now);
        verdict.ensure_allowed("content")?;
        Ok(verdict.flagged)
    }
}

fn blocked(field: &str, rule: &str) -> Refusal {
    Refusal::new(Code::ModerationBlocked, format!("this can't be said here ({rule})")).field(field)
}

impl Moderation {
    /// Parses `MODERATION`: `{"tenant" | "*": {words?, links?, flood?, repeats?}}`. Empty: no tenant has rules.
    ///
    /// # Errors  what is wrong, in words for the operator's log.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let configs: HashMap<String, Config> =
            serde_json::from_str(text).map_err(|e| format!("MODERATION: {e}"))?;
        let rules = |(tenant, config): (String, Config)| {
            let rules = Rules::from_config(config).map_err(|why| format!("MODERATION: {why}"))?;
            Ok((tenant, Rc::new(rules)))
        };
        configs.into_iter().map(rules).collect::<Result<_, String>>().map(Self)
    }

    /// `None`: the tenant has no rules.
    pub fn rules_for(&self, tenant: &str) -> Option<Rc<Rules>> {
        self.0.get(tenant).or_else(|| self.0.get("*")).cloned()
    }
}

impl Rules {
    fn from_config(config: Config) -> Result<Self, String> {
        let mut patterns: Vec<String> = Vec::new();
        let mut measures = Vec::new();
        let Words { reject, mask, flag } = config.words;
        for (words, measure) in [(reject, Measure::Reject), (mask, Measure::Mask), (flag, Measure::Flag)] {
            for word in words {
                patterns.push(pattern(&word)?);
                measures.push((measure, "word"));
            }
        }
        if let Some(links) = &config.links {
            // As a pattern a host is also found without `https://` before it.
            for host in &links.deny {
                patterns.push(pattern(host)?);
                measures.push((links.measure, "link"));
            }
        }
        if patterns.len() > MODERATION_WORDS_MAX {
            return Err(format!("more than {MODERATION_WORDS_MAX} words and hosts"));
        }
        for frequency in [config.flood, config.repeats].into_iter().flatten() {
            let times = frequency.times as usize;
            if times == 0
                || times > MODERATION_TIMES_KEPT_MAX
                || frequency.seconds == 0
                || frequency.seconds > 3_600
            {
                return Err(format!("times is 1 to {MODERATION_TIMES_KEPT_MAX}, seconds 1 to 3600"));
            }
            if frequency.measure == Measure::Mask {
                return Err("a flood or a repeat can't be masked".into());
            }
        }
        // Overlapping matches are needed: part of a longer match that is not a whole word may be one.
        let words = (!patterns.is_empty())
            .then(|| AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns))
            .transpose()
            .map_err(|e| e.to_string())?;
        let (links, flood, repeats) = (config.links, config.flood, config.repeats);
        Ok(Self { words, measures, links, flood, repeats })
    }

    /// Applies the rules to a name, and masks it where they ask for it.
    ///
    /// # Gives   the rule for which it must be noted in the audit log, if any.
    /// # Errors  moderation_blocked with this field.
    pub fn check_name(&self, field: &str, name: &mut String) -> Result<Option<&'static str>, Refusal> {
        self.check_text(field, name, std::iter::empty())
    }

    fn check_text<'a>(
        &self,
        field: &str,
        text: &mut String,
        urls: impl Iterator<Item = &'a str>,
    ) -> Result<Option<&'static str>, Refusal> {
        let verdict = self.judge_content(text, urls);
        verdict.ensure_allowed(field)?;
        if let Some(masked) = verdict.masked {
            *text = masked;
        }
        Ok(verdict.flagged)
    }

    /// Applies the rules for words and links.
    fn judge_content<'a>(&self, text: &str, urls: impl Iterator<Item = &'a str>) -> Verdict {
        let mut verdict = Verdict::default();
        let folded = Folded::new(text);
        let mut masks = vec![false; folded.count()];
        if let Some(words) = &self.words {
            for found in words.find_overlapping_iter(folded.text()) {
                let Some((measure, rule)) = self.measures.get(found.pattern().as_usize()).copied() else {
                    continue;
                };
                if !folded.is_whole(found.start(), found.end()) {
                    continue;
                }
                verdict.add(measure, rule);
                if measure == Measure::Mask {
                    folded.mark(found.start()..found.end(), &mut masks);
                }
            }
        }
        if let Some(links) = &self.links {
            let text = hosts(folded.text()).filter(|(_, host)| !links.allows(host));
            for (at, host) in text {
                verdict.add(links.measure, "link");
                if links.measure == Measure::Mask {
                    folded.mark(at..at.saturating_add(host.len()), &mut masks);
                }
            }
            for url in urls.map(str::to_lowercase) {
                if hosts(&url).any(|(_, host)| !links.allows(host)) {
                    // A URL is not part of the text and can't be masked.
                    let masks = links.measure == Measure::Mask;
                    verdict.add(if masks { Measure::Reject } else { links.measure }, "link");
                }
            }
        }
        if masks.contains(&true) {
            let masked = text.chars().zip(&masks).map(|(c, masked)| if *masked { '*' } else { c });
            verdict.masked = Some(masked.collect());
        }
        verdict
    }

    /// Counts a message, and applies the rules for floods and repeats. Blanks and case make no difference.
    fn judge_frequency(&self, recent_sends: &mut RecentSends, text: &str, now: UnixMs) -> Verdict {
        let mut verdict = Verdict::default();
        if self.flood.is_none() && self.repeats.is_none() {
            return verdict;
        }
        let mut hasher = DefaultHasher::new();
        text.split_whitespace().for_each(|word| word.to_lowercase().hash(&mut hasher));
        let hash = hasher.finish();
        let since = |frequency: Frequency| now.saturating_sub(frequency.seconds.saturating_mul(1_000));
        if let Some(flood) = self.flood
            && recent_sends.0.iter().filter(|(at, _)| *at > since(flood)).count() >= flood.times as usize
        {
            verdict.add(flood.measure, "flood");
        }
        if let Some(repeats) = self.repeats {
            let same = |(at, known): &&(UnixMs, u64)| *at > since(repeats) && *known == hash;
            if recent_sends.0.iter().filter(same).count() >= repeats.times as usize {
                verdict.add(repeats.measure, "repeat");
            }
        }
        // Refused messages count too, so that somebody who does not stop stays refused.
        recent_sends.0.push_back((now, hash));
        if recent_sends.0.len() > MODERATION_TIMES_KEPT_MAX {
            recent_sends.0.pop_front();
        }
        verdict
    }
}

impl Links {
    fn allows(&self, host: &str) -> bool {
        let is = |known: &String| {
            let known = known.to_lowercase();
            host.strip_suffix(&known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !self.deny.iter().any(is) && self.allow.as_ref().is_none_or(|allowed| allowed.iter().any(is))
    }
}

fn pattern(word: &str) -> Result<String, String> {
    let word = word.trim().to_lowercase();
    match word.chars().count() {
        0 => Err("an empty word".into()),
        n if n > MODERATION_WORD_CHARS_MAX => {
            Err(format!("a word of more than {MODERATION_WORD_CHARS_MAX} characters"))
        }
        _ => Ok(word),
    }
}

#[cfg(test)]
mod tests;
