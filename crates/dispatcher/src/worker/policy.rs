//! What the task policy of the service lets run here.
//!
//! A program is reached by the names that it has registered and by nothing else, so a name stands for where its task is
//! defined.

use dispatcher_protocol::Setup;

/// The policy of one service.
#[derive(Debug)]
pub(super) struct Policy {
    kind: String,
    /// Each with a dot at its end.
    prefixes: Vec<String>,
}

impl Policy {
    pub(super) fn of(setup: &Setup) -> Self {
        let prefixes = setup.task_prefixes.iter().map(|prefix| format!("{}.", prefix.trim_end_matches('.')));
        Self { kind: setup.task_policy.clone(), prefixes: prefixes.collect() }
    }

    /// Why a registered task may not run; none if it may.
    pub(super) fn refusal(&self, task: &str) -> Option<String> {
        match self.kind.as_str() {
            "registered" | "any" => None,
            "prefix" if self.prefixes.iter().any(|prefix| task.starts_with(prefix)) => None,
            "prefix" => Some(format!(
                "task '{task}' does not stand under one of worker.task_prefixes and worker.task_policy is 'prefix': add \
                 its module to worker.task_prefixes, or set worker.task_policy to 'registered'"
            )),
            other => Some(format!("task '{task}': this worker does not know worker.task_policy '{other}'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(kind: &str, prefixes: &[&str]) -> Policy {
        Policy::of(&Setup {
            task_policy: kind.to_owned(),
            task_prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
            ..Setup::default()
        })
    }

    #[test]
    fn a_prefix_is_a_module_and_not_the_beginning_of_a_word() {
        let prefix = policy("prefix", &["app.tasks", "lib."]);
        assert_eq!(prefix.refusal("app.tasks.run"), None);
        assert_eq!(prefix.refusal("lib.run"), None);
        assert!(prefix.refusal("app.tasks_of_others.run").unwrap().contains("worker.task_prefixes"));
        assert_eq!(policy("any", &[]).refusal("x"), None);
        assert_eq!(policy("registered", &[]).refusal("x"), None);
        assert!(policy("strictest", &[]).refusal("x").unwrap().contains("strictest"));
    }
}
