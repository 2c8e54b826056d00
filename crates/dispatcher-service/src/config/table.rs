//! Every key of the file: its place, its shape, its default and what it is for.
//!
//! The check, the defaults and the schema are made from this one table, so that they cannot disagree. Here are the
//! kinds of entries and how one is found; `keys` holds the entries. Holds no rule between keys. Where it stands: read
//! by `check`, `build` and `schema`.

mod keys;

pub(super) use keys::FILE;

/// A map with known keys.
pub(super) struct Section {
    /// What one of its keys is called in a complaint.
    pub(super) noun: &'static str,
    keys: &'static [Key],
    /// Keys that it shares with another section.
    also: &'static [Key],
    /// Whether a key that is not known stops the service; dispatcherd refuses some and ignores the others.
    pub(super) strict: bool,
}

/// One known key.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// What an absent key means, as JSON; `null` where the text of the key says what that is.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

/// What a value has to be. Seconds and counts carry their limits.
pub(super) enum Shape {
    /// `version`.
    Version,
    Flag,
    Text,
    /// The name of a Postgres channel: 1 to 63 bytes.
    Channel,
    /// Connection settings: values are text or numbers.
    Keywords,
    /// Anything that JSON can hold.
    Map,
    Count {
        least: u64,
        most: u64,
    },
    Seconds {
        zero: bool,
    },
    /// Bytes: a whole number, or a text with a unit, as `512MiB`.
    Bytes,
    /// As [`Shape::Bytes`], and 0.
    BytesOrZero,
    /// More than 0, in no unit.
    Amount,
    /// A text, or a whole number.
    Account,
    /// Seconds, or a text that is a number.
    Period,
    Word(&'static [&'static str]),
    List(&'static Shape),
    /// A value, or `null`.
    Optional(&'static Shape),
    /// Names of the writer's own choice, each with that value.
    Named(&'static Shape),
    Section(&'static Section),
    /// One task of a producer: message keys, and these.
    Task(&'static [Key]),
}

/// What a key of one of the `pools` is called in a complaint.
pub(super) const POOL_KEY: &str = "key of a pool";

/// Longer times than this (31 years) are taken for mistakes, and would not fit a clock everywhere.
pub(super) const MOST_SECONDS: f64 = 1e9;
/// The key at a path through sections; none if it is not known.
pub(super) fn find(path: &[&str]) -> Option<&'static Key> {
    let (last, above) = path.split_last()?;
    let mut place = &FILE;
    for name in above {
        place = place.find(name)?.shape.section()?;
    }
    place.find(last)
}

/// The paths of every known key that is called `name`.
pub(super) fn places(name: &str) -> Vec<String> {
    fn look(section: &'static Section, base: &str, name: &str, found: &mut Vec<String>) {
        for key in section.keys() {
            let path = super::tree::join(base, key.name);
            if let Some(inner) = key.shape.section() {
                look(inner, &path, name, found);
            }
            if key.name == name {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    look(&FILE, "", name, &mut found);
    found
}

/// The name of every known key, whatever its place.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    fn gather(section: &'static Section, names: &mut Vec<&'static str>) {
        for key in section.keys() {
            names.push(key.name);
            if let Some(inner) = key.shape.section() {
                gather(inner, names);
            }
        }
    }
    let mut names = Vec::new();
    gather(&FILE, &mut names);
    names.into_iter()
}

impl Section {
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().chain(self.also)
    }

    pub(super) fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

impl Shape {
    /// The section behind a key, whether it may be null or not.
    fn section(&self) -> Option<&'static Section> {
        match self {
            Shape::Section(section) => Some(section),
            Shape::Optional(inner) => inner.section(),
            _ => None,
        }
    }
}
