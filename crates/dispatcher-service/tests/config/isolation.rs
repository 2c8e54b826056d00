//! What a worker process may do, and how long a service may be stuck.

use std::path::PathBuf;
use std::time::Duration;

use dispatcher_service::config::{Account, CgroupUse};

use crate::{good, refused, warnings};

#[test]
fn without_a_word_workers_lose_core_files_and_new_rights_and_get_a_control_group_if_there_can_be_one() {
    let isolation = good("version: 2").pools[0].worker.isolation.clone();
    assert_eq!(isolation.limits, [("core", 0)]);
    assert!(isolation.no_new_privs);
    assert_eq!((isolation.user, isolation.umask, isolation.chdir), (None, None, None));
    assert_eq!(isolation.cgroup, CgroupUse::Auto);
    assert_eq!((isolation.memory_max, isolation.pids_max, isolation.cpu_max), (None, None, None));
}

#[test]
fn everything_may_be_said_and_null_leaves_a_limit_as_it_is_inherited() {
    let worker = "{user: app, group: 500, umask: \"027\", chdir: /srv/app, no_new_privs: false, cgroup: required, \
                  memory_max: 1GiB, pids_max: 64, cpu_max: 1.5, limits: {core: null, data: 512MiB, nofile: 1024, cpu: 60}}";
    let isolation = good(&format!("version: 2\nworker: {worker}")).pools[0].worker.isolation.clone();
    assert_eq!(isolation.user, Some(Account::Name("app".to_owned())));
    assert_eq!(isolation.group, Some(Account::Number(500)));
    assert_eq!((isolation.umask, isolation.chdir), (Some(0o027), Some(PathBuf::from("/srv/app"))));
    assert!(!isolation.no_new_privs);
    assert_eq!(isolation.cgroup, CgroupUse::Required);
    assert_eq!(isolation.memory_max, Some(1 << 30));
    assert_eq!((isolation.pids_max, isolation.cpu_max), (Some(64), Some(1.5)));
    assert_eq!(isolation.limits, [("nofile", 1024), ("data", 512 << 20), ("cpu", 60)]);
}

#[test]
fn what_no_worker_comes_up_with_is_refused_with_its_place_and_a_way_out() {
    for (worker, place, way_out) in [
        ("{chdir: srv/app}", "worker.chdir", "from the root"),
        ("{umask: 027}", "worker.umask", "in quotes"),
        ("{umask: \"9\"}", "worker.umask", "\"027\""),
        ("{umask: \"1000\"}", "worker.umask", "\"027\""),
        ("{group: app}", "worker.group", "name the user too"),
        ("{user: -1}", "worker.user", "text or a whole number"),
        ("{limits: {data: 1MiB}}", "worker.limits.data", "at least 32MiB"),
        ("{limits: {stack: 1KiB}}", "worker.limits.stack", "at least 1MiB"),
        ("{limits: {nofile: 20}}", "worker.limits.nofile", "from 128"),
        ("{limits: {nproc: 0}}", "worker.limits.nproc", "from 1"),
        ("{limits: {files: 1000}}", "worker.limits.files", "there is no limit"),
        ("{cgroup: maybe}", "worker.cgroup", "auto, off, required"),
        ("{cpu_max: 0}", "worker.cpu_max", "above 0"),
    ] {
        let wrong = refused(&format!("version: 2\nworker: {worker}"));
        assert!(wrong.contains(place) && wrong.contains(way_out), "{worker}: {wrong}");
    }
}

#[test]
fn bounds_of_a_control_group_that_is_switched_off_are_a_warning() {
    let said = warnings("version: 2\nworker: {cgroup: off, memory_max: 1GiB}");
    assert!(said.iter().any(|line| line.contains("worker.memory_max: has no effect")), "{said:?}");
}

#[test]
fn a_service_may_be_stuck_for_a_minute_or_as_long_as_the_file_says_but_not_for_less_than_a_second() {
    assert_eq!(good("version: 2").stall_limit, Some(Duration::from_secs(60)));
    assert_eq!(good("version: 2\nservice: {stall_limit: null}").stall_limit, None);
    assert!(refused("version: 2\nservice: {stall_limit: 0.5}").contains("service.stall_limit"));
}
