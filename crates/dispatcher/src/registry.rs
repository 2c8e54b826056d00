//! Name to definition: what a worker can run.
//!
//! A name stands for one task. Two tasks of one name are an error when the registry is made, which is at the start.

use std::collections::HashMap;

use thiserror::Error;

use crate::definition::{Definition, Task};

/// What `#[task]` hands to the program at its start.
pub struct Registered(pub &'static Definition);

inventory::collect!(Registered);

/// The tasks that may run here.
///
/// ```standalone_crate
/// use dispatcher::Registry;
///
/// #[dispatcher::task(name = "shop.orders.ship")]
/// async fn ship(order: u64) {}
///
/// #[dispatcher::task(name = "shop.orders.bill")]
/// async fn bill(order: u64) {}
///
/// // Every task of the program:
/// let all = Registry::all().unwrap();
/// assert_eq!(all.names(), ["shop.orders.bill", "shop.orders.ship"]);
///
/// // Some of them:
/// let some = Registry::new().with::<ship>();
/// assert_eq!(some.names(), ["shop.orders.ship"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    tasks: HashMap<&'static str, Definition>,
}

/// Two tasks have one name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "two tasks are called {name}: one at {first}, one at {second}; give one of them another name by #[task(name = \"...\")]"
)]
pub struct DuplicateTask {
    /// What both are called.
    pub name: &'static str,
    /// Where one is defined.
    pub first: &'static str,
    /// Where the other is.
    pub second: &'static str,
}

impl Registry {
    /// No tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every task with [`#[task]`](macro@crate::task) that is linked into this program. A library whose tasks nobody
    /// names may be left out by the linker: name one of them, or add them with [`with`](Self::with).
    ///
    /// # Errors
    /// Two tasks of one name.
    pub fn all() -> Result<Self, DuplicateTask> {
        let mut registry = Self::new();
        // Sorted, so that two runs of a program complain about the same pair.
        let mut found: Vec<_> = inventory::iter::<Registered>.into_iter().map(|entry| entry.0).collect();
        found.sort_unstable_by_key(|definition| (definition.name, definition.place));
        for definition in found {
            registry.add(definition.clone())?;
        }
        Ok(registry)
    }

    /// Adds a task, for a chain of them. One that is there already stays.
    ///
    /// # Panics
    /// When another task has its name.
    #[must_use]
    #[track_caller]
    pub fn with<T: Task>(mut self) -> Self {
        match self.add(T::DEFINITION) {
            Ok(()) => self,
            Err(duplicate) => panic!("{duplicate}"),
        }
    }

    /// Adds a task. One that is there already stays.
    ///
    /// # Errors
    /// Another task has its name.
    pub fn add(&mut self, definition: Definition) -> Result<(), DuplicateTask> {
        let (name, second) = (definition.name, definition.place);
        match self.tasks.get(name) {
            Some(known) if known.place != second => Err(DuplicateTask { name, first: known.place, second }),
            Some(_) => Ok(()),
            None => {
                self.tasks.insert(name, definition);
                Ok(())
            }
        }
    }

    /// The task of this name.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.tasks.get(name)
    }

    /// Every name, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tasks.keys().copied().collect();
        names.sort_unstable();
        names
    }
}
