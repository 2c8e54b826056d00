//! Clients that behave: numbers, replies, ends; and the client's end of the broker.

use std::io::Write;
use std::sync::Arc;

use dispatcher_broker::{Broker, BrokerError, FromBroker, Options, Sink, SocketClient, SocketServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::{Home, Service, WAIT, rest};

#[tokio::test]
async fn each_client_has_a_number_of_its_own_for_ever() {
    let home = Home::new();
    let mut service = Service::ready(&home).await;
    for number in 0..3 {
        let mut client = home.connect().await;
        client.write_all(b"x\n").await.unwrap();
        assert_eq!(&*service.delivery().await.channel, number.to_string());
        drop(client);
        assert_eq!(service.next().await, Some(FromBroker::Ended(number.to_string().into())));
        service.broker.publisher().end(&number.to_string());
    }
}

#[tokio::test]
async fn a_client_that_only_stops_sending_gets_its_replies_and_then_the_end() {
    let home = Home::new();
    let _echo = Service::ready(&home).await.echo();
    let mut client = home.connect().await;
    client.write_all(b"one\ntwo\nwithout an end").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "one\ntwo\nwithout an end\n");
}

#[tokio::test]
async fn thousands_of_requests_at_once_are_all_answered_in_order() {
    let home = Home::new();
    let (broker, _echoing) = Service::ready(&home).await.echo();
    let lines = (0..20_000).map(|number| number.to_string() + "\n").collect::<String>();
    let (mut reading, mut writing) = home.connect().await.into_split();
    let sent = lines.clone();
    let sending = tokio::spawn(async move {
        writing.write_all(sent.as_bytes()).await.unwrap();
        writing.shutdown().await.unwrap();
    });
    let mut got = String::new();
    timeout(WAIT, reading.read_to_string(&mut got)).await.unwrap().unwrap();
    assert!(got == lines, "{} of {} bytes came back", got.len(), lines.len());
    sending.await.unwrap();
    assert_eq!(broker.refusals().iter().map(|(_, count)| count).sum::<u64>(), 0);
}

#[tokio::test]
async fn many_clients_that_only_leave_a_message_lose_none() {
    let home = Home::new();
    let mut service = Service::ready(&home).await;
    let path = home.path();
    let leaving = std::thread::spawn(move || {
        for number in 0..500 {
            let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            writeln!(client, "{number}").unwrap();
        }
    });
    let mut publisher = service.broker.publisher();
    let mut got = Vec::new();
    while got.len() < 500 {
        match service.next().await {
            Some(FromBroker::Delivery(delivery)) => got.push(delivery.payload.parse::<u32>().unwrap()),
            Some(FromBroker::Ended(channel)) => publisher.end(&channel),
            other => panic!("{other:?}"),
        }
    }
    leaving.join().unwrap();
    got.sort_unstable();
    assert!(got.into_iter().eq(0..500));
}

#[tokio::test]
async fn a_reply_to_a_client_that_left_is_an_error_and_no_reason_to_try_again() {
    let home = Home::new();
    let service = Service::ready(&home).await;
    for nobody in ["7", "", "reply_to_me"] {
        let error = service.broker.publisher().publish(nobody, &["x".to_owned()]).await.unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("has left"), "{error}");
    }
}

#[tokio::test]
async fn a_reply_goes_where_the_request_came_from_whatever_it_names() {
    let service = SocketServer::new(Home::new().options()).unwrap();
    assert_eq!(service.reply_channel("3", "4"), "3");
}

#[tokio::test]
async fn a_client_without_a_service_says_where_it_looked() {
    let home = Home::new();
    let (sender, _inbox) = mpsc::channel(1);
    for _ in 0..2 {
        let reason = home.client().listen(Sink::new(0, sender.clone())).await;
        assert!(
            reason.is_retryable() && reason.to_string().contains(home.path().to_str().unwrap()),
            "{reason}"
        );
        let error = home.client().publisher().publish("", &["x".to_owned()]).await.unwrap_err();
        assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
        // The second time around, a dead socket is in the way.
        let _ = std::os::unix::net::UnixListener::bind(home.path());
    }
}

#[tokio::test]
async fn a_client_hears_of_the_end_of_the_service_and_sends_to_the_next_one() {
    let home = Home::new();
    let client = Arc::new(home.client());
    let (sender, mut inbox) = mpsc::channel(8);
    let mut service = Service::ready(&home).await;
    let listening = Arc::clone(&client);
    let session = tokio::spawn(async move { listening.listen(Sink::new(0, sender)).await });
    assert_eq!(inbox.recv().await, Some((0, FromBroker::Listening)));
    let mut publisher = client.publisher();
    publisher.publish("", &["x".to_owned()]).await.unwrap();
    assert_eq!(&*service.delivery().await.channel, "0", "it came by the connection that listens");
    service.session.abort();
    let reason = timeout(WAIT, session).await.unwrap().unwrap();
    assert!(matches!(reason, BrokerError::Lost { .. }), "{reason}");
    let mut service = Service::ready(&home).await;
    publisher.publish("", &["y".to_owned()]).await.unwrap();
    assert_eq!(service.delivery().await.payload, "y");
}

#[tokio::test]
async fn a_line_break_in_a_payload_is_rejected() {
    let home = Home::new();
    let _service = Service::ready(&home).await;
    let error = home.client().publisher().publish("", &["a\nb".to_owned()]).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("line break"), "{error}");
}

#[test]
fn a_socket_without_a_path_is_no_socket() {
    assert!(SocketServer::new(Options::default()).unwrap_err().is_config());
    assert!(SocketClient::new(Options::default()).unwrap_err().is_config());
}
