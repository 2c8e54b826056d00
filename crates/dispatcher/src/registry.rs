//! Name to definition: what a worker can run.

use std::collections::HashMap;

use crate::definition::Definition;

/// The tasks that may run here.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    tasks: HashMap<&'static str, Definition>,
}

impl Registry {
    /// No tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; gives the one of that name that was there before.
    pub fn add(&mut self, definition: Definition) -> Option<Definition> {
        self.tasks.insert(definition.name, definition)
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
