//! Every value of the tree against the table's shapes, every complaint at once.
//!
//! Never looks at two keys together (that is `rules`) and never repeats a value that may be a secret. Where it
//! stands: after the old shapes are put right, before the rules between keys.

use super::size;
use super::table::{self, Key, MOST_SECONDS, POOL_KEY, Section, Shape};
use super::tree::{Data, Entry, Node, join};
use super::{Complaint, Position};

/// The longest channel name, in bytes: what Postgres keeps of an identifier.
const MAX_CHANNEL: usize = 63;
/// Known keys are listed in a complaint up to this number.
const LISTED: usize = 9;

/// Compares the whole tree with the table.
pub(super) fn check(root: &Node, complaints: &mut Vec<Complaint>) {
    let mut check = Check { complaints };
    if !matches!(root.data, Data::Map(_)) {
        check.wrong("", root, "a map of version, service, brokers and so on");
        return;
    }
    check.section("", root, &table::FILE);
}

struct Check<'a> {
    complaints: &'a mut Vec<Complaint>,
}

impl Check<'_> {
    fn section(&mut self, path: &str, node: &Node, section: &'static Section) {
        for entry in node.entries() {
            match section.find(&entry.key) {
                Some(key) => self.value(&join(path, &entry.key), &entry.value, &key.shape),
                None => self.unknown(path, entry, section),
            }
        }
    }

    fn value(&mut self, path: &str, node: &Node, shape: &'static Shape) {
        match shape {
            Shape::Version => self.version(path, node),
            Shape::Flag => self.expect(path, node, matches!(node.data, Data::Bool(_)), "true or false"),
            Shape::Text => self.expect(path, node, matches!(node.data, Data::Text(_)), "text"),
            Shape::Channel => self.channel(path, node),
            Shape::Keywords => self.keywords(path, node),
            Shape::Map => self.expect(path, node, is_map(node), "a map"),
            Shape::Count { least, most } => self.count(path, node, *least, *most),
            Shape::Seconds { zero } => self.seconds(path, node, *zero, false),
            Shape::Bytes => self.bytes(path, node, false),
            Shape::BytesOrZero => self.bytes(path, node, true),
            Shape::Amount => self.amount(path, node),
            Shape::Account => self.expect(path, node, is_account(node), "text or a whole number"),
            Shape::Period => self.seconds(path, node, false, true),
            Shape::Word(words) => self.word(path, node, words),
            Shape::Optional(_) if node.is_null() => {}
            Shape::Optional(inner) => self.value(path, node, inner),
            Shape::List(item) => self.list(path, node, item),
            Shape::Section(section) if is_map(node) => self.section(path, node, section),
            Shape::Named(inner) if is_map(node) => {
                for entry in node.entries() {
                    self.value(&join(path, &entry.key), &entry.value, inner);
                }
            }
            Shape::Task(keys) if is_map(node) => self.task(path, node, keys),
            // An empty section is one without keys, as `ControlProducer:` is usually written.
            Shape::Section(_) | Shape::Named(_) | Shape::Task([]) if node.is_null() => {}
            Shape::Section(_) | Shape::Named(_) | Shape::Task(_) => self.wrong(path, node, "a map"),
        }
    }

    fn expect(&mut self, path: &str, node: &Node, fits: bool, wanted: &str) {
        if !fits {
            self.wrong(path, node, wanted);
        }
    }

    fn wrong(&mut self, path: &str, node: &Node, wanted: &str) {
        self.error(path, node.at, format!("is {}, but has to be {wanted}", node.kind()));
    }

    fn error(&mut self, path: &str, at: Option<Position>, what: impl Into<String>) {
        self.complaints.push(Complaint::error(path, at, what));
    }

    fn version(&mut self, path: &str, node: &Node) {
        if !matches!(&node.data, Data::Number(number) if number.as_f64() == Some(2.0)) {
            self.complaints.push(wrong_version(path, node.at).hint("write `version: 2`"));
        }
    }

    fn channel(&mut self, path: &str, node: &Node) {
        match node.as_text() {
            None => self.wrong(path, node, "the name of a channel"),
            Some("") => self.error(path, node.at, "a channel name can not be blank"),
            Some(name) if name.len() > MAX_CHANNEL => {
                let what = format!("Channel name is too long chars={}; {MAX_CHANNEL} bytes fit", name.len());
                self.error(path, node.at, what);
            }
            Some(name) if name.contains('\0') => {
                self.error(path, node.at, "a channel name cannot hold a zero byte");
            }
            Some(_) => {}
        }
    }

    fn keywords(&mut self, path: &str, node: &Node) {
        if !is_map(node) {
            return self.wrong(path, node, "a map of connection settings, or of one conninfo");
        }
        for entry in node.entries() {
            if matches!(entry.value.data, Data::List(_) | Data::Map(_)) {
                self.wrong(&join(path, &entry.key), &entry.value, "text or a number");
            }
        }
    }

    fn count(&mut self, path: &str, node: &Node, least: u64, most: u64) {
        let number = match &node.data {
            Data::Number(number) if !number.is_f64() => number,
            _ => return self.wrong(path, node, "a whole number"),
        };
        if !number.as_u64().is_some_and(|count| (least..=most).contains(&count)) {
            self.error(path, node.at, format!("is {number}, but has to be from {least} to {most}"));
        }
    }

    fn seconds(&mut self, path: &str, node: &Node, zero: bool, text: bool) {
        let seconds = match &node.data {
            Data::Number(number) => number.as_f64(),
            Data::Text(words) if text => words.trim().parse().ok(),
            _ => None,
        };
        let Some(seconds) = seconds else { return self.wrong(path, node, "a number of seconds") };
        let fits = if zero {
            (0.0..=MOST_SECONDS).contains(&seconds)
        } else {
            seconds > 0.0 && seconds <= MOST_SECONDS
        };
        if !fits {
            let least = if zero { "0 or more" } else { "more than 0" };
            self.error(
                path,
                node.at,
                format!("is {seconds}, but has to be {least} seconds, and at most {MOST_SECONDS}"),
            );
        }
    }

    fn amount(&mut self, path: &str, node: &Node) {
        let fits =
            matches!(&node.data, Data::Number(number) if number.as_f64().is_some_and(|amount| amount > 0.0));
        self.expect(path, node, fits, "a number above 0");
    }

    fn bytes(&mut self, path: &str, node: &Node, zero: bool) {
        let bytes = if zero { size::of_or_zero(node) } else { size::of(node) };
        if bytes.is_none() {
            self.wrong(path, node, "a number of bytes, as 1048576, 512KiB, 300MiB or 2GiB");
        }
    }

    fn word(&mut self, path: &str, node: &Node, words: &'static [&'static str]) {
        // An `off` without quotes is a false to YAML.
        if words.contains(&"off") && matches!(node.data, Data::Bool(false)) {
            return;
        }
        let wanted = words.join(", ");
        let Some(word) = node.as_text() else { return self.wrong(path, node, &format!("one of {wanted}")) };
        if !words.contains(&word) {
            let complaint = Complaint::error(path, node.at, format!("{word:?} is not one of {wanted}"));
            self.complaints.push(match nearest(word, words.iter().copied()) {
                Some(near) => complaint.hint(format!("did you mean {near}?")),
                None => complaint,
            });
        }
    }

    fn list(&mut self, path: &str, node: &Node, item: &'static Shape) {
        if !matches!(node.data, Data::List(_)) {
            return self.wrong(path, node, "a list");
        }
        for (index, value) in node.items().iter().enumerate() {
            self.value(&format!("{path}[{index}]"), value, item);
        }
    }

    fn task(&mut self, path: &str, node: &Node, keys: &'static [Key]) {
        for key in keys {
            match node.entry(key.name) {
                Some(entry) => self.value(&join(path, key.name), &entry.value, &key.shape),
                None if matches!(key.shape, Shape::Optional(_)) => {}
                None => self.error(path, node.at, format!("{} is missing: {}", key.name, key.about)),
            }
        }
    }

    fn unknown(&mut self, path: &str, entry: &Entry, section: &'static Section) {
        let what = match (section.strict, section.noun) {
            (true, noun) => format!("there is no {noun} {:?}", entry.key),
            (false, noun) => format!("there is no {noun} {:?}; it has no effect", entry.key),
        };
        let place = join(path, &entry.key);
        let complaint = if section.strict {
            Complaint::error(&place, entry.at, what)
        } else {
            Complaint::warning(&place, entry.at, what)
        };
        self.complaints.push(match suggestion(path, entry, section) {
            Some(hint) => complaint.hint(hint),
            None => complaint,
        });
    }
}

/// The complaint about a version that is missing or another one.
pub(super) fn wrong_version(path: &str, at: Option<Position>) -> Complaint {
    Complaint::error(path, at, "Current config version is 2, config version must match this")
}

fn is_map(node: &Node) -> bool {
    matches!(node.data, Data::Map(_))
}

fn is_account(node: &Node) -> bool {
    match &node.data {
        Data::Text(_) => true,
        Data::Number(number) => number.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
        _ => false,
    }
}

/// The right place of a misplaced key, the nearest key, or the few keys there are.
fn suggestion(path: &str, entry: &Entry, section: &'static Section) -> Option<String> {
    if section.noun == "broker" && entry.key.contains('.') {
        return Some(
            "a broker written in Python is not run by this service; pg_notify and socket are".to_owned(),
        );
    }
    if path == "brokers.pg_notify" && LIBPQ.contains(&entry.key.as_str()) {
        return Some(format!("it belongs at brokers.pg_notify.config.{}", entry.key));
    }
    let names = || section.keys().map(|key| key.name);
    let places = table::places(&entry.key);
    if section.noun == POOL_KEY
        && let Some(place) = places.iter().find(|place| place.starts_with("worker."))
    {
        return Some(format!("it belongs at {path}.{place}"));
    }
    if let [place] = places.as_slice() {
        return Some(format!("it belongs at {place}"));
    }
    if let Some(near) = nearest(&entry.key, names()) {
        return Some(format!("did you mean {near}?"));
    }
    if let Some(near) = nearest(&entry.key, table::names()) {
        return table::places(near).first().map(|place| format!("did you mean {place}?"));
    }
    let listed: Vec<&str> = names().filter(|name| !name.contains('.')).collect();
    (!listed.is_empty() && listed.len() <= LISTED).then(|| format!("there are {}", listed.join(", ")))
}

/// Connection settings that are put beside `config` rather than into it.
const LIBPQ: &[&str] = &["host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "service"];

/// The known name that was probably meant: case aside, at most two slips, and at most a third of its letters.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(slips, name)| *slips <= 2.min(name.len() / 3))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}
