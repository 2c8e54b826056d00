//! Two tasks of one name in one program: an error when it starts, and not a choice between them.
#![expect(clippy::unused_async, reason = "what a task does is not the point here")]

use dispatcher::{Registry, Task, task};

#[task(name = "shop.ship")]
async fn one() {}

#[task(name = "shop.ship")]
async fn other() {}

#[test]
fn two_tasks_of_one_name_are_an_error_that_names_both_places() {
    let found = Registry::all().unwrap_err().to_string();
    let mut registry = Registry::new().with::<one>().with::<one>();
    let added = registry.add(other::DEFINITION).unwrap_err().to_string();
    for error in [found, added] {
        assert!(error.contains("two tasks are called shop.ship"), "{error}");
        assert!(error.contains(one::DEFINITION.place) && error.contains(other::DEFINITION.place), "{error}");
    }
}
