//! Shapes that old samples taught, moved to where the keys belong, each with a warning.
//!
//! Moves only what dispatcherd would refuse, so no file that runs there changes its meaning here. Where it stands:
//! between reading and checking.

use super::Complaint;
use super::tree::{Data, Entry, Node};

/// Puts `producers.brokers`, and with it `pool` and a missing `version`, in their places; then a `conninfo` that
/// stands beside `config`.
pub(super) fn put_right(root: &mut Node, complaints: &mut Vec<Complaint>) {
    if root.find(&["producers", "brokers"]).is_some_and(|node| matches!(node.data, Data::Map(_))) {
        move_brokers(root, complaints);
        move_pool(root, complaints);
        assume_version(root, complaints);
    }
    move_conninfo(root, complaints);
}

fn move_brokers(root: &mut Node, complaints: &mut Vec<Complaint>) {
    let Some(old) = root.entry_mut("producers").and_then(|producers| producers.value.take("brokers")) else {
        return;
    };
    complaints.push(
        Complaint::warning(
            "producers.brokers",
            old.at,
            "brokers belong at the top of the file; read as if they stood there",
        )
        .hint("move `brokers` out of `producers`"),
    );
    merge_into(root, "brokers", old.value, "producers.brokers", complaints);
}

fn move_pool(root: &mut Node, complaints: &mut Vec<Complaint>) {
    let Some(old) = root.take("pool") else { return };
    complaints.push(
        Complaint::warning("pool", old.at, "read as if it stood at service.pool_kwargs")
            .hint("write `service: {pool_kwargs: …}`"),
    );
    if let Some(service) = root.map_under("service") {
        merge_into(service, "pool_kwargs", old.value, "pool", complaints);
    }
}

fn assume_version(root: &mut Node, complaints: &mut Vec<Complaint>) {
    if root.entry("version").is_some() {
        return;
    }
    complaints
        .push(Complaint::warning("version", root.at, "is missing; read as 2").hint("write `version: 2`"));
    if let Data::Map(entries) = &mut root.data {
        let value = Node::new(Data::Number(2.into()), root.at);
        entries.insert(0, Entry { key: "version".to_owned(), at: root.at, value });
    }
}

fn move_conninfo(root: &mut Node, complaints: &mut Vec<Complaint>) {
    let Some(broker) = root.entry_mut("brokers").and_then(|brokers| brokers.value.entry_mut("pg_notify"))
    else {
        return;
    };
    let Some(old) = broker.value.take("conninfo") else { return };
    complaints.push(
        Complaint::warning("brokers.pg_notify.conninfo", old.at, "read as if it stood in config")
            .hint("write `config: {conninfo: …}`"),
    );
    let single = Node::new(Data::Map(vec![Entry { key: "conninfo".to_owned(), ..old }]), None);
    merge_into(&mut broker.value, "config", single, "brokers.pg_notify", complaints);
}

/// Adds the entries of `old` to the map at `key`; what already stands there wins.
fn merge_into(parent: &mut Node, key: &str, old: Node, from: &str, complaints: &mut Vec<Complaint>) {
    let Some(place) = parent.map_under(key) else { return };
    let Data::Map(entries) = old.data else { return };
    for entry in entries {
        if place.entry(&entry.key).is_some() {
            let what = format!("{} stands at {key} already, which counts", entry.key);
            complaints.push(Complaint::warning(from, entry.at, what));
        } else if let Data::Map(known) = &mut place.data {
            known.push(entry);
        }
    }
}
