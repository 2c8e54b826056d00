//! Clients that go beyond a bound: it costs them the connection, and nobody else anything.
//!
//! Where a test is about time, the clock is paused: it jumps to the next deadline whenever nothing else happens.

use std::sync::Arc;
use std::time::Duration;

use dispatcher_broker::{Broker, MAX_CLIENTS, MAX_LINE};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::rig::{Home, Service, WAIT, asks_and_is_answered, count, rest};

/// Clients that have been answered, one for each place.
async fn as_many_as_fit(home: &Home) -> Vec<UnixStream> {
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut client = home.connect().await;
        asks_and_is_answered(&mut client).await;
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn one_client_too_many_is_turned_away_and_the_others_stay() {
    let home = Home::new();
    let (broker, _echoing) = Service::ready(&home).await.echo();
    let mut clients = as_many_as_fit(&home).await;
    assert_eq!(rest(&mut home.connect().await).await, "");
    assert_eq!(count(&broker, "too_many_clients"), 1);
    for client in &mut clients {
        asks_and_is_answered(client).await;
    }
    let mut leaving = clients.pop().unwrap();
    leaving.shutdown().await.unwrap();
    assert_eq!(rest(&mut leaving).await, "");
    asks_and_is_answered(&mut home.connect().await).await;
}

#[tokio::test]
async fn ten_times_too_many_clients_are_turned_away_at_once_and_hold_up_nobody() {
    let home = Home::new();
    let (broker, _echoing) = Service::ready(&home).await.echo();
    let mut clients = as_many_as_fit(&home).await;
    let began = std::time::Instant::now();
    for number in 0..9 * MAX_CLIENTS {
        assert_eq!(rest(&mut home.connect().await).await, "");
        asks_and_is_answered(&mut clients[number % MAX_CLIENTS]).await;
    }
    // The first of them waited for a place.
    assert!(began.elapsed() < WAIT, "{:?}", began.elapsed());
    assert_eq!(count(&broker, "too_many_clients"), 9 * MAX_CLIENTS as u64);
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_its_client_alone() {
    let home = Home::new();
    let mut service = Service::ready(&home).await;
    let broker = Arc::clone(&service.broker);
    let mut longest = vec![b'x'; MAX_LINE];
    longest.push(b'\n');
    let mut good = home.connect().await;
    let sending = tokio::spawn(async move {
        good.write_all(&longest).await.unwrap();
        good
    });
    assert_eq!(service.delivery().await.payload.len(), MAX_LINE);
    let mut good = sending.await.unwrap();
    let _echo = service.echo();
    let mut bad = home.connect().await;
    // It may be cut off before it has sent all of it.
    let _ = bad.write_all(&vec![b'x'; MAX_LINE + 1]).await;
    assert_eq!(rest(&mut bad).await, "");
    assert_eq!(count(&broker, "line_too_long"), 1);
    asks_and_is_answered(&mut good).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_end_their_client_alone() {
    let home = Home::new();
    let (broker, _echoing) = Service::ready(&home).await.echo();
    let (mut good, mut bad) = (home.connect().await, home.connect().await);
    bad.write_all(b"first\n\xff\xfe\n").await.unwrap();
    assert_eq!(rest(&mut bad).await, "first\n");
    assert_eq!(count(&broker, "not_utf8"), 1);
    asks_and_is_answered(&mut good).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_inside_a_line_is_cut_off_and_one_between_lines_is_not() {
    let home = Home::new();
    let (broker, _echoing) = Service::ready(&home).await.echo();
    let (mut idle, mut stuck) = (home.connect().await, home.connect().await);
    asks_and_is_answered(&mut idle).await;
    let began = Instant::now();
    stuck.write_all(b"{\"task\": ").await.unwrap();
    assert_eq!(rest(&mut stuck).await, "");
    assert!(began.elapsed() >= Duration::from_secs(10), "after {:?}", began.elapsed());
    assert_eq!(count(&broker, "idle_in_line"), 1);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    asks_and_is_answered(&mut idle).await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off_and_holds_up_nobody() {
    let home = Home::new();
    let (broker, echoing) = Service::ready(&home).await.echo();
    let mut greedy = home.connect().await;
    let mut other = home.connect().await;
    asks_and_is_answered(&mut greedy).await;
    // Its number is 0: it is sent far more than its own buffer and the service's bound hold.
    let mut publisher = broker.publisher();
    let filler = vec!["y".repeat(1000); 100];
    let began = std::time::Instant::now();
    let refused = loop {
        if let Err(error) = publisher.publish("0", &filler).await {
            break error;
        }
        asks_and_is_answered(&mut other).await;
        assert!(began.elapsed() < WAIT, "it is never refused");
    };
    assert!(!refused.is_retryable(), "{refused}");
    asks_and_is_answered(&mut other).await;
    rest(&mut greedy).await;
    assert_eq!(count(&broker, "slow_reader"), 1);
    echoing.abort();
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_read_for_ten_seconds_is_given_up() {
    let home = Home::new();
    let service = Service::ready(&home).await;
    let mut client = home.connect().await;
    client.write_all(b"x\n").await.unwrap();
    let mut service = service;
    let channel = service.delivery().await.channel;
    let began = Instant::now();
    service.broker.publisher().publish(&channel, &vec!["y".repeat(1000); 2000]).await.unwrap();
    while count(&service.broker, "slow_reader") == 0 {
        assert!(began.elapsed() < WAIT, "it is never given up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(10), "after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_long_reply_reaches_a_client_that_reads() {
    let home = Home::new();
    let mut service = Service::ready(&home).await;
    let mut client = home.connect().await;
    client.write_all(b"x\n").await.unwrap();
    client.shutdown().await.unwrap();
    let channel = service.delivery().await.channel;
    let reply = vec!["y".repeat(1000); 20_000];
    let mut publisher = service.broker.publisher();
    publisher.publish(&channel, &reply).await.unwrap();
    publisher.end(&channel);
    assert_eq!(rest(&mut client).await.len(), 20_000 * 1001);
}
