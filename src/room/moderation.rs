//! What a tenant doesn't want said: a word list, rules for links, floods and repeats, as the var `MODERATION` gives them.
//! A pure judge of texts. Not here: what follows from its verdict (`speech`), mutes, bans and slow mode.
//!
//! All words stand in one automaton (Aho-Corasick), so a text is read once however long the list is.

use crate::ids::UnixMs;
use crate::limits::{MODERATION_TIMES_KEPT_MAX, MODERATION_WORD_CHARS_MAX, MODERATION_WORDS_MAX};
use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// What is done about a message. A later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// It is said, and stands in the audit log.
    Flag,
    /// What offends is replaced by asterisks before anybody hears of it.
    Mask,
    /// It isn't said.
    Reject,
}

/// Of all tenants; `*` of those that aren't named.
#[derive(Debug, Default)]
pub struct Moderation(HashMap<String, Rc<Rules>>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Config {
    words: Words,
    links: Option<Links>,
    flood: Option<Often>,
    repeats: Option<Often>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Words {
    reject: Vec<String>,
    mask: Vec<String>,
    flag: Vec<String>,
}

/// Hosts stand for their subdomains too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Links {
    /// Only these, if there is such a list.
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Vec<String>,
    measure: Measure,
}

/// More than `times` within `seconds`, of one person.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Often {
    times: u32,
    seconds: u64,
    measure: Measure,
}

/// Of one tenant.
#[derive(Debug, Default)]
pub struct Rules {
    words: Option<AhoCorasick>,
    /// What each pattern of `words` asks for, and why.
    measures: Vec<(Measure, &'static str)>,
    links: Option<Links>,
    flood: Option<Often>,
    repeats: Option<Often>,
}

/// What the rules say of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The strongest measure, and the rule that asks for it.
    pub measure: Option<(Measure, &'static str)>,
    /// The text as it may be said, if not as it is.
    pub masked: Option<String>,
    /// The rule for which it stands in the audit log.
    pub flagged: Option<&'static str>,
}

impl Verdict {
    fn ask(&mut self, measure: Measure, rule: &'static str) {
        if self.measure.is_none_or(|(known, _)| known < measure) {
            self.measure = Some((measure, rule));
        }
        if measure == Measure::Flag {
            self.flagged.get_or_insert(rule);
        }
    }
}

/// When one person said something of late, and what (as a hash). Memory alone: what sleeps for 10 s isn't flooded.
#[derive(Debug, Default)]
pub struct RecentSends(VecDeque<(UnixMs, u64)>);

impl Moderation {
    /// The var `MODERATION`: `{"tenant" | "*": {words?, links?, flood?, repeats?}}`. Empty or absent: nothing is judged.
    ///
    /// # Errors  what is wrong with it, in words for the operator's log.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let configs: HashMap<String, Config> =
            serde_json::from_str(text).map_err(|e| format!("MODERATION: {e}"))?;
        let rules = |(tenant, config): (String, Config)| {
            let rules = Rules::of(config).map_err(|why| format!("MODERATION: {why}"))?;
            Ok((tenant, Rc::new(rules)))
        };
        configs.into_iter().map(rules).collect::<Result<_, String>>().map(Self)
    }

    /// `None`: nothing is judged.
    pub fn of(&self, tenant: &str) -> Option<Rc<Rules>> {
        self.0.get(tenant).or_else(|| self.0.get("*")).cloned()
    }
}

impl Rules {
    fn of(config: Config) -> Result<Self, String> {
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
            // A host is found without `https://` before it, too.
            for host in &links.deny {
                patterns.push(pattern(host)?);
                measures.push((links.measure, "link"));
            }
        }
        if patterns.len() > MODERATION_WORDS_MAX {
            return Err(format!("more than {MODERATION_WORDS_MAX} words and hosts"));
        }
        for often in [config.flood, config.repeats].into_iter().flatten() {
            let times = often.times as usize;
            if times == 0 || times > MODERATION_TIMES_KEPT_MAX || often.seconds == 0 || often.seconds > 3_600
            {
                return Err(format!("times is 1 to {MODERATION_TIMES_KEPT_MAX}, seconds 1 to 3600"));
            }
            if often.measure == Measure::Mask {
                return Err("a flood or a repeat can't be masked".into());
            }
        }
        // All matches are wanted, overlapping ones too: of a longer one that isn't a whole word, a shorter may be.
        let words = (!patterns.is_empty())
            .then(|| AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns))
            .transpose()
            .map_err(|e| e.to_string())?;
        let (links, flood, repeats) = (config.links, config.flood, config.repeats);
        Ok(Self { words, measures, links, flood, repeats })
    }

    /// Judges words and links.
    pub fn judge<'a>(&self, text: &str, urls: impl Iterator<Item = &'a str>) -> Verdict {
        let mut verdict = Verdict::default();
        let folded = Folded::of(text);
        let mut masks = vec![false; folded.count];
        if let Some(words) = &self.words {
            for found in words.find_overlapping_iter(&folded.text) {
                let Some((measure, rule)) = self.measures.get(found.pattern().as_usize()).copied() else {
                    continue;
                };
                if !folded.is_whole(found.start(), found.end()) {
                    continue;
                }
                verdict.ask(measure, rule);
                if measure == Measure::Mask {
                    folded.mark(found.start()..found.end(), &mut masks);
                }
            }
        }
        if let Some(links) = &self.links {
            let text = hosts(&folded.text).filter(|(_, host)| !links.allows(host));
            for (at, host) in text {
                verdict.ask(links.measure, "link");
                if links.measure == Measure::Mask {
                    folded.mark(at..at.saturating_add(host.len()), &mut masks);
                }
            }
            for url in urls.map(str::to_lowercase) {
                if hosts(&url).any(|(_, host)| !links.allows(host)) {
                    // What is no text can't be masked.
                    let masks = links.measure == Measure::Mask;
                    verdict.ask(if masks { Measure::Reject } else { links.measure }, "link");
                }
            }
        }
        if masks.contains(&true) {
            let masked = text.chars().zip(&masks).map(|(c, masked)| if *masked { '*' } else { c });
            verdict.masked = Some(masked.collect());
        }
        verdict
    }

    /// Judges how often this person speaks, and whether always the same. Counts this message.
    pub fn pace(&self, recent_sends: &mut RecentSends, text: &str, now: UnixMs) -> Verdict {
        let mut verdict = Verdict::default();
        if self.flood.is_none() && self.repeats.is_none() {
            return verdict;
        }
        let mut hasher = DefaultHasher::new();
        text.split_whitespace().for_each(|word| word.to_lowercase().hash(&mut hasher));
        let said = hasher.finish();
        let since = |often: Often| now.saturating_sub(often.seconds.saturating_mul(1_000));
        if let Some(flood) = self.flood
            && recent_sends.0.iter().filter(|(at, _)| *at > since(flood)).count() >= flood.times as usize
        {
            verdict.ask(flood.measure, "flood");
        }
        if let Some(repeats) = self.repeats {
            let same = |(at, known): &&(UnixMs, u64)| *at > since(repeats) && *known == said;
            if recent_sends.0.iter().filter(same).count() >= repeats.times as usize {
                verdict.ask(repeats.measure, "repeat");
            }
        }
        // What was refused counts as well: who goes on and on stays out.
        recent_sends.0.push_back((now, said));
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

/// A text in lower case, which may be longer or shorter, and where its bytes come from.
struct Folded {
    text: String,
    /// For each byte of `text` the number of the character it comes from.
    origin: Vec<u32>,
    /// Characters of the original.
    count: usize,
}

impl Folded {
    fn of(original: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(original.len()),
            origin: Vec::with_capacity(original.len()),
            count: 0,
        };
        for c in original.chars() {
            folded.text.extend(c.to_lowercase());
            let number = u32::try_from(folded.count).unwrap_or(u32::MAX);
            folded.origin.resize(folded.text.len(), number);
            folded.count = folded.count.saturating_add(1);
        }
        folded
    }

    /// Whether no letter goes on before or behind. Scripts without blanks between words know no whole ones.
    fn is_whole(&self, start: usize, end: usize) -> bool {
        let split = |at: usize| self.text.split_at_checked(at).unwrap_or_default();
        let ((before, from), (to, behind)) = (split(start), split(end));
        let goes_on = |a: Option<char>, b: Option<char>| a.is_some_and(joins) && b.is_some_and(joins);
        !goes_on(before.chars().next_back(), from.chars().next())
            && !goes_on(to.chars().next_back(), behind.chars().next())
    }

    fn mark(&self, bytes: std::ops::Range<usize>, masks: &mut [bool]) {
        for number in self.origin.get(bytes).unwrap_or_default() {
            if let Some(mask) = masks.get_mut(*number as usize) {
                *mask = true;
            }
        }
    }
}

/// A letter or digit of a script that has blanks between its words.
fn joins(c: char) -> bool {
    // Thai and Lao, Burmese, Khmer, kana and all of the Han characters.
    let unspaced = matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !unspaced
}

/// The hosts of the links in a text in lower case, each with its place: what stands behind `http://`, `https://` or `www.`.
fn hosts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let schemes = text.match_indices("://").map(|(at, scheme)| at.saturating_add(scheme.len()));
    let bare = text.match_indices("www.").map(|(at, _)| at).filter(|at| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && c != '/' && c != '.')
    });
    schemes.chain(bare).filter_map(|at| {
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\\<>\"'()[]{}|".contains(c));
        let authority = rest.get(..end.unwrap_or(rest.len()))?;
        // A name and a password before the host, a port behind it.
        let begin = authority.rfind('@').map_or(0, |at| at.saturating_add(1));
        let host = authority.get(begin..)?.split(':').next()?.trim_end_matches(['.', ',', '!']);
        (!host.is_empty()).then_some((at.saturating_add(begin), host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(config: &str) -> Rc<Rules> {
        Moderation::parse(&format!(r#"{{"*":{config}}}"#)).unwrap().of("acme").unwrap()
    }

    fn judged(rules: &Rules, text: &str) -> (Option<Measure>, Option<String>) {
        let verdict = rules.judge(text, std::iter::empty());
        (verdict.measure.map(|(measure, _)| measure), verdict.masked)
    }

    #[test]
    fn words_are_whole_in_any_case_and_script() {
        let rules = rules(
            r#"{"words":{"reject":["Damn","scheiße","ДУРАК"],"mask":["heck","hell no","éclair","死ね"],"flag":["spam"]}}"#,
        );
        for bad in ["damn", "oh DAMN!", "(Damn)", "damn-it", "SCHEISSE scheiße", "дурак.", "\u{2764}damn"]
        {
            assert_eq!(judged(&rules, bad).0, Some(Measure::Reject), "{bad}");
        }
        for good in ["", "damned", "undamn", "damn2", "дураков", "scheißegal", "shell now", "d a m n"]
        {
            assert_eq!(judged(&rules, good).0, None, "{good}");
        }
        assert_eq!(judged(&rules, "What the HECK, hell no!").1.as_deref(), Some("What the ****, *******!"));
        assert_eq!(judged(&rules, "ein Éclair").1.as_deref(), Some("ein ******"));
        assert_eq!(judged(&rules, "お前死ねよ").1.as_deref(), Some("お前**よ"), "no blanks between words");
        let verdict = rules.judge("heck, spam", std::iter::empty());
        assert_eq!((verdict.measure, verdict.flagged), (Some((Measure::Mask, "word")), Some("word")));
        // Lower case of another length: each original character keeps its place.
        assert_eq!(judged(&rules, "İİ heck İ").1.as_deref(), Some("İİ **** İ"));
    }

    #[test]
    fn links_by_host() {
        let deny = rules(r#"{"links":{"deny":["evil.example"],"measure":"reject"}}"#);
        for bad in [
            "https://evil.example/x",
            "see HTTP://a.EVIL.example:8080?q",
            "evil.example",
            "(www.evil.example)",
            "https://good.example@evil.example/",
        ] {
            assert_eq!(judged(&deny, bad).0, Some(Measure::Reject), "{bad}");
        }
        for good in ["https://notevil.example", "https://evil.example2", "https://good.example/", "no link"] {
            assert_eq!(judged(&deny, good).0, None, "{good}");
        }
        let allow = rules(r#"{"links":{"allow":["ours.example"],"measure":"mask"}}"#);
        assert_eq!(judged(&allow, "https://docs.ours.example/a www.ours.example"), (None, None));
        let masked = judged(&allow, "at https://other.example/a now").1;
        assert_eq!(masked.as_deref(), Some("at https://*************/a now"));
        let file = allow.judge("", ["https://other.example/f"].into_iter());
        assert_eq!(file.measure, Some((Measure::Reject, "link")), "what is no text can't be masked");
    }

    #[test]
    fn floods_and_repeats_of_one_person() {
        let rules = rules(
            r#"{"flood":{"times":3,"seconds":10,"measure":"reject"},"repeats":{"times":2,"seconds":60,"measure":"flag"}}"#,
        );
        let mut recent_sends = RecentSends::default();
        let mut said = |text: &str, at: UnixMs| rules.pace(&mut recent_sends, text, 1_000_000 + at).measure;
        assert_eq!([said("a", 0), said("b", 1_000), said("a ", 2_000)], [None; 3]);
        assert_eq!(said("c", 3_000), Some((Measure::Reject, "flood")));
        assert_eq!(said("A", 20_000), Some((Measure::Flag, "repeat")), "the third within a minute");
        assert_eq!(said("a", 100_000), None);
    }

    #[test]
    fn a_configuration_is_sound_or_told_to_be_not() {
        assert!(Moderation::parse(" ").unwrap().of("acme").is_none());
        let named = Moderation::parse(r#"{"acme":{"words":{"mask":["x"]}}}"#).unwrap();
        assert!(named.of("acme").is_some() && named.of("other").is_none());
        for bad in [
            "x",
            "[]",
            r#"{"*":{"word":{}}}"#,
            r#"{"*":{"words":{"mask":[""]}}}"#,
            r#"{"*":{"links":{"measure":"burn"}}}"#,
            r#"{"*":{"flood":{"times":0,"seconds":1,"measure":"flag"}}}"#,
            r#"{"*":{"flood":{"times":5,"seconds":1,"measure":"mask"}}}"#,
        ] {
            assert!(Moderation::parse(bad).is_err(), "{bad}");
        }
    }

    /// Issue 5: under a millisecond a message. The longest message there is, against the longest list.
    #[test]
    fn the_longest_message_against_the_longest_list_takes_less_than_a_millisecond() {
        let words: Vec<String> = (0..MODERATION_WORDS_MAX).map(|n| format!("word{n}x")).collect();
        let config = serde_json::json!({"words": {"mask": words},
            "links": {"allow": ["ours.example"], "measure": "flag"}});
        let rules = rules(&config.to_string());
        let text = "word1 word99 wörd word7x https://ours.example ".repeat(100);
        let text: String = text.chars().take(crate::limits::CONTENT_CHARS_MAX).collect();
        let begin = std::time::Instant::now();
        let runs = 50;
        for _ in 0..runs {
            assert!(rules.judge(&text, std::iter::empty()).masked.is_some());
        }
        let each = begin.elapsed() / runs;
        println!("{} characters against {MODERATION_WORDS_MAX} words: {each:?}", text.chars().count());
        // Unoptimised builds are ten times slower and more, and machines are shared.
        let most = if cfg!(debug_assertions) { 50 } else { 1 };
        assert!(each < std::time::Duration::from_millis(most), "{each:?}");
    }
}
