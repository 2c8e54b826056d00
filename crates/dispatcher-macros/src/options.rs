//! What stands in the brackets of `#[task(...)]`.
//!
//! Every value is a literal, so that all of it is checked here, before anything runs.

use std::time::Duration;

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitStr, Path, Token};

use crate::duration;

/// Every key, in the order in which they are documented.
const KEYS: [&str; 7] = ["queue", "timeout", "delay", "on_duplicate", "name", "cancel", "crate"];
/// As in Postgres: the longest name of a channel, in bytes.
const MAX_CHANNEL: usize = 63;
/// The longest name of a task, in bytes.
const MAX_NAME: usize = 255;

/// The options of one task.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) queue: Option<LitStr>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay: Option<Duration>,
    /// The name of a variant of `OnDuplicate`.
    pub(crate) on_duplicate: Option<Ident>,
    pub(crate) name: Option<LitStr>,
    pub(crate) cancel: Option<Cancel>,
    /// Where the crate `dispatcher` is.
    pub(crate) krate: Option<Path>,
}

/// `cancel = "..."`.
pub(crate) struct Cancel {
    /// The name of a variant of `OnCancel`.
    pub(crate) variant: Ident,
    pub(crate) at: proc_macro2::Span,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let key = Ident::parse_any(input)?;
            let name = key.to_string();
            if !KEYS.contains(&name.as_str()) {
                return Err(Error::new(key.span(), unknown(&name)));
            }
            if seen.contains(&name) {
                return Err(Error::new(key.span(), format!("`{name}` stands twice; keep one")));
            }
            if !input.peek(Token![=]) {
                let what = format!("`{name}` needs a value, as in `{}`", example(&name));
                return Err(Error::new(key.span(), what));
            }
            input.parse::<Token![=]>()?;
            let value: Lit = input.parse().map_err(|error| {
                let what = format!("`{name}` has to be a literal, as in `{}`", example(&name));
                Error::new(error.span(), what)
            })?;
            options.set(&name, &value)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, key: &str, value: &Lit) -> syn::Result<()> {
        match key {
            "queue" => self.queue = Some(channel(text(key, value)?)?),
            "timeout" => self.timeout = Some(time(key, value)?),
            "delay" => self.delay = Some(time(key, value)?),
            "name" => self.name = Some(task_name(text(key, value)?)?),
            "on_duplicate" => {
                let rules = [
                    ("parallel", "Parallel"),
                    ("discard", "Discard"),
                    ("serial", "Serial"),
                    ("queue_one", "QueueOne"),
                ];
                self.on_duplicate = Some(choice(&text(key, value)?, &rules)?);
            }
            "cancel" => {
                let literal = text(key, value)?;
                let variant = choice(&literal, &[("drop", "Drop"), ("cooperate", "Cooperate")])?;
                self.cancel = Some(Cancel { variant, at: literal.span() });
            }
            _ => self.krate = Some(text(key, value)?.parse()?),
        }
        Ok(())
    }
}

fn example(key: &str) -> &'static str {
    match key {
        "queue" => "queue = \"reports\"",
        "timeout" => "timeout = \"5s\"",
        "delay" => "delay = \"1m\"",
        "on_duplicate" => "on_duplicate = \"serial\"",
        "name" => "name = \"shop.orders.ship\"",
        "cancel" => "cancel = \"cooperate\"",
        _ => "crate = \"dispatcher\"",
    }
}

/// What somebody is told who wrote another key.
fn unknown(key: &str) -> String {
    if key == "bind" {
        return "there is no `bind`: a task that wants its context has the first parameter `ctx: TaskContext`".to_owned();
    }
    let nearest = KEYS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2);
    let all = KEYS[..6].join(", ");
    match nearest {
        Some((_, known)) => format!("unknown option `{key}`; did you mean `{known}`? (there are {all})"),
        None => format!("unknown option `{key}`; there are {all}"),
    }
}

fn text(key: &str, value: &Lit) -> syn::Result<LitStr> {
    match value {
        Lit::Str(text) => Ok(text.clone()),
        other => Err(Error::new(other.span(), format!("`{key}` has to be a text, as in `{}`", example(key)))),
    }
}

fn time(key: &str, value: &Lit) -> syn::Result<Duration> {
    let text = match value {
        Lit::Str(text) => text.value(),
        Lit::Int(number) if number.suffix().is_empty() => number.base10_digits().to_owned(),
        Lit::Float(number) if number.suffix().is_empty() => number.base10_digits().to_owned(),
        other => {
            return Err(Error::new(
                other.span(),
                format!("`{key}` has to be a time, as in `{}`", example(key)),
            ));
        }
    };
    duration::parse(&text).map_err(|what| Error::new(value.span(), format!("`{key}`: {what}")))
}

fn choice(given: &LitStr, known: &[(&str, &str)]) -> syn::Result<Ident> {
    let value = given.value();
    if let Some((_, variant)) = known.iter().find(|(name, _)| *name == value) {
        return Ok(Ident::new(variant, given.span()));
    }
    let names: Vec<_> = known.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    Err(Error::new(given.span(), format!("{value:?} is none of {}", names.join(", "))))
}

fn channel(given: LitStr) -> syn::Result<LitStr> {
    let value = given.value();
    if value.is_empty() || value.len() > MAX_CHANNEL || value.contains('\0') {
        let what = format!("a channel of Postgres has a name of 1 to {MAX_CHANNEL} bytes");
        return Err(Error::new(given.span(), what));
    }
    Ok(given)
}

fn task_name(given: LitStr) -> syn::Result<LitStr> {
    let value = given.value();
    let identifier = |part: &str| {
        part.starts_with(|first: char| first == '_' || first.is_alphabetic())
            && part.chars().all(|character| character == '_' || character.is_alphanumeric())
    };
    let what = if value.len() > MAX_NAME {
        "a task name has at most 255 bytes"
    } else if !value.contains('.') {
        "a task name has a module and a function with a dot between, as in \"shop.orders.ship\""
    } else if !value.split('.').all(identifier) {
        "each part of a task name is an identifier: letters, digits and _, no digit first, as in \"shop.orders.ship\""
    } else {
        return Ok(given);
    };
    Err(Error::new(given.span(), what))
}
