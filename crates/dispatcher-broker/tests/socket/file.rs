//! The socket as a file: its mode, who gets the path, and who removes it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use dispatcher_broker::{Broker, Options, Sink, SocketServer};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::rig::{Home, Service, WAIT, asks_and_is_answered};

#[tokio::test]
async fn others_cannot_connect_at_any_moment() {
    let home = Home::new();
    rustix::process::umask(rustix::fs::Mode::empty());
    let path = home.path();
    let watching = std::thread::spawn(move || {
        let deadline = std::time::Instant::now() + WAIT;
        while std::time::Instant::now() < deadline {
            if let Ok(found) = fs::symlink_metadata(&path) {
                return found.mode() & 0o777;
            }
        }
        panic!("there is no socket");
    });
    let _service = Service::ready(&home).await;
    assert_eq!(watching.join().unwrap(), 0o600);
    assert_eq!(fs::symlink_metadata(home.path()).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_path_with_a_live_service_is_refused_and_the_service_goes_on() {
    let home = Home::new();
    let _echo = Service::ready(&home).await.echo();
    let reason = Service::start(&home).reason().await;
    assert!(reason.is_config() && reason.to_string().contains("a service listens at"), "{reason}");
    asks_and_is_answered(&mut home.connect().await).await;
}

#[tokio::test]
async fn of_services_that_start_at_once_exactly_one_gets_the_path() {
    for _ in 0..20 {
        let home = Home::new();
        let mut services: Vec<_> = (0..4).map(|_| Service::start(&home)).collect();
        let mut won = 0;
        for service in &mut services {
            won += u32::from(service.next().await.is_some());
        }
        assert_eq!(won, 1);
        assert!(UnixStream::connect(home.path()).await.is_ok());
    }
}

#[tokio::test]
async fn a_socket_that_a_dead_service_left_is_replaced() {
    let home = Home::new();
    drop(std::os::unix::net::UnixListener::bind(home.path()).unwrap());
    let _echo = Service::ready(&home).await.echo();
    asks_and_is_answered(&mut home.connect().await).await;
}

type Make = fn(&Path, &Path);

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let home = Home::new();
    let target = home.0.path().join("target");
    drop(std::os::unix::net::UnixListener::bind(&target).unwrap());
    let cases: [(&str, Make); 4] = [
        ("file", |path, _| fs::write(path, "precious").unwrap()),
        ("directory", |path, _| fs::create_dir(path).unwrap()),
        ("link to a socket", |path, target| symlink(target, path).unwrap()),
        ("link to nothing", |path, _| symlink("nowhere", path).unwrap()),
    ];
    for (what, make) in cases {
        make(&home.path(), &target);
        let before = fs::symlink_metadata(home.path()).unwrap().ino();
        let reason = Service::start(&home).reason().await;
        assert!(reason.is_config() && reason.to_string().contains("is no socket"), "{what}: {reason}");
        assert_eq!(fs::symlink_metadata(home.path()).unwrap().ino(), before, "{what}");
        let _ = fs::remove_file(home.path()).or_else(|_| fs::remove_dir(home.path()));
    }
    assert!(target.exists());
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let home = Home::new();
    let path = home.0.path().join("none/socket");
    let options = Options { socket_path: Some(path.clone()), ..Options::default() };
    let (sender, _inbox) = mpsc::channel(1);
    let reason = SocketServer::new(options).unwrap().listen(Sink::new(0, sender)).await;
    assert!(reason.is_config() && reason.to_string().contains(path.to_str().unwrap()), "{reason}");
}

#[tokio::test]
async fn the_socket_is_removed_at_the_end_if_it_is_still_its_own() {
    let home = Home::new();
    let service = Service::ready(&home).await;
    service.session.abort();
    assert!(service.session.await.unwrap_err().is_cancelled());
    assert!(!home.path().exists());

    let service = Service::ready(&home).await;
    fs::remove_file(home.path()).unwrap();
    fs::write(home.path(), "of somebody else").unwrap();
    service.session.abort();
    assert!(service.session.await.unwrap_err().is_cancelled());
    assert_eq!(fs::read_to_string(home.path()).unwrap(), "of somebody else");
}
