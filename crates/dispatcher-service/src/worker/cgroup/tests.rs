//! Groups in folders of plain files, and in none that can be divided.

use super::*;

/// A folder that looks like a group with these controllers; the kernel's own files are plain ones here.
fn group_with(controllers: &str) -> tempfile::TempDir {
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("cgroup.controllers"), controllers).unwrap();
    own
}

fn written(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn the_own_group_is_found_under_its_mount_wherever_that_is() {
    let unified =
        "22 1 0:20 / /sys rw - sysfs sysfs rw\n30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
    assert_eq!(
        place::find("0::/system.slice/dispatcher.service\n", unified),
        Some("/sys/fs/cgroup/system.slice/dispatcher.service".into())
    );
    let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                  41 31 0:38 /pod /sys/fs/cgroup/the\\040one rw - cgroup2 cgroup2 rw\n";
    assert_eq!(place::find("4:memory:/x\n0::/pod/a\n", hybrid), Some("/sys/fs/cgroup/the one/a".into()));
    assert_eq!(place::find("0::/elsewhere\n", hybrid), None);
    assert_eq!(place::find("4:memory:/x\n", unified), None);
}

#[test]
fn bounds_are_written_into_the_group_of_each_worker() {
    let own = group_with("cpu memory pids");
    let bounds = Bounds { memory: Some(1 << 20), pids: Some(7), cpu: Some(0.5) };
    let groups = Groups::open_in(own.path(), [&bounds]).unwrap();
    assert_eq!(written(own.path(), "cgroup.subtree_control"), "+cpu +memory +pids");
    assert_eq!(written(&groups.folder, "cgroup.subtree_control"), "+cpu +memory +pids");
    let kept = groups.leaf(3, &bounds).unwrap();
    let leaf = groups.folder.join("worker-3");
    let files = ["memory.max", "memory.oom.group", "pids.max", "cpu.max"].map(|name| written(&leaf, name));
    assert_eq!(files, ["1048576", "0", "7", "50000 100000"]);
    // A real group goes with its files; a plain folder does not.
    fs::remove_dir_all(&groups.folder).unwrap();
    drop(kept);
}

#[test]
fn what_cannot_be_is_a_reason_and_not_a_panic() {
    let own = group_with("cpu");
    let bounds = Bounds { memory: Some(1), ..Bounds::default() };
    assert!(Groups::open_in(own.path(), [&bounds]).unwrap_err().contains("no controller memory"));
    let missing = own.path().join("no-such-folder");
    assert!(Groups::open_in(&missing, []).unwrap_err().contains("Delegate=yes"));
}

#[test]
fn kills_for_want_of_memory_are_read_from_the_group() {
    let own = group_with("");
    let groups = Groups::open_in(own.path(), []).unwrap();
    let leaf = groups.leaf(0, &Bounds::default()).unwrap();
    assert!(!leaf.out_of_memory());
    let events = groups.folder.join("worker-0").join("memory.events");
    fs::write(&events, "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 0\n").unwrap();
    assert!(leaf.out_of_memory());
    fs::remove_file(events).unwrap();
}

#[test]
fn groups_of_services_that_are_gone_are_removed_at_the_start_and_our_own_at_the_end() {
    let own = group_with("");
    let gone = own.path().join("dispatcher-4194305").join("worker-0");
    let living = own.path().join("dispatcher-1").join("worker-0");
    for folder in [&gone, &living] {
        fs::create_dir_all(folder).unwrap();
    }
    let groups = Groups::open_in(own.path(), []).unwrap();
    let _leaf = groups.leaf(0, &Bounds::default()).unwrap();
    assert!(!gone.parent().unwrap().exists());
    assert!(living.exists());
    let folder = groups.folder.clone();
    drop(groups);
    assert!(!folder.exists());
}
