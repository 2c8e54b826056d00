//! What the command says about the rights of workers, and the name under which they are made.

use insta::assert_snapshot;

use crate::place::Place;

#[test]
fn the_rights_of_workers_are_summed_up_and_what_this_machine_would_refuse_is_said() {
    let file = "version: 2\nworker: {user: no-such-user-here, group: 7, umask: '027', chdir: /, cgroup: required, \
                memory_max: 1GiB, limits: {nofile: 256}}\n";
    let shown = Place::with("dispatcher.yml", file).run(&["check"]);
    let line = "isolation run as no-such-user-here:7, umask 027, in /, nofile 256, memory 1073741824, each in a control group of its own";
    assert!(shown.contains(line), "{shown}");
    let note = "the service would end: worker.user: there is no user \"no-such-user-here\" on this machine";
    assert!(shown.starts_with("exit code 0\n") && shown.contains(note), "{shown}");
}

#[test]
fn the_name_that_workers_are_made_under_is_of_no_use_to_people() {
    assert_snapshot!(Place::new().run_as("dispatcher-worker", &["serve"]), @"
    exit code 126
    --- stderr
    dispatcher: this name of the program is for the service: run `dispatcher serve`
    ");
}
