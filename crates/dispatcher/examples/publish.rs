//! Publishing: one, many, in a transaction, a task of another language. With `DISPATCHER_EXAMPLE_DSN` it speaks to that
//! Postgres and prints how long bulk and single publishes take a task; without, to nobody, within the process.
//!
//! `cargo run --release -p dispatcher --example publish --features tokio-postgres -- [COUNT] [CHANNEL]`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::unused_async, reason = "its task is only published")]

use std::error::Error;
use std::time::{Duration, Instant};

use dispatcher::{OnDuplicate, Publisher, submit, submit_many, task};
use tokio_postgres::NoTls;

#[task(timeout = "1m")]
async fn resize(_image: u64) {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let channel = arguments.next().unwrap_or_else(|| "dispatcher_example".to_owned());
    let dsn = std::env::var("DISPATCHER_EXAMPLE_DSN").ok();
    let publisher = match &dsn {
        Some(dsn) => Publisher::postgres(dsn)?,
        None => Publisher::memory(),
    };
    dispatcher::setup(publisher.channel(channel.clone()));

    // By function, with options for this one run.
    let sent = resize::submit(17).delay(Duration::from_secs(1)).on_duplicate(OnDuplicate::Discard).await?;
    println!("published {} as {} to {}", sent.task(), sent.uuid(), sent.channel());

    // By name, whatever language it is written in.
    submit("app.tasks.report").arg(2026).kwarg("kind", "short").await?;

    // Many in one round trip, all or none.
    resize::delay(0).await?;
    let begun = Instant::now();
    submit_many((0..count).map(resize::submit)).await?;
    let bulk = begun.elapsed();
    let begun = Instant::now();
    for image in 0..count {
        resize::delay(image).await?;
    }
    let single = begun.elapsed();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / count.max(1) as f64;
    println!("bulk {:.1} us a task, single {:.1} us a task", micros(bulk), micros(single));

    // In the application's own transaction: sent when it commits, never when it is rolled back.
    if let Some(dsn) = &dsn {
        let (mut client, connection) = tokio_postgres::connect(dsn, NoTls).await?;
        tokio::spawn(connection);
        let transaction = client.transaction().await?;
        resize::submit(18).queue(channel).on(&transaction).await?;
        transaction.rollback().await?;
        println!("rolled back: nothing was sent");
    }
    Ok(())
}
