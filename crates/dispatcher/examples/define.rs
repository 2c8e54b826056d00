//! Tasks in every shape, run here and now, without a service: `cargo run -p dispatcher --example define --features testing`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use dispatcher::context::Progress;
use dispatcher::testing::{Outbox, run};
use dispatcher::{Registry, TaskContext, task};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
    items: Vec<String>,
}

/// Arguments are typed. The function stays a function: `ship(order, None).await` runs it here.
#[task(queue = "orders", timeout = "30s", on_duplicate = "serial")]
async fn ship(order: Order, express: Option<bool>) -> Result<usize, OutOfStock> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    if order.items.is_empty() {
        return Err(OutOfStock { order: order.id });
    }
    Ok(order.items.len() + usize::from(express.unwrap_or(false)))
}

#[derive(Debug, thiserror::Error)]
#[error("nothing left for order {order}")]
struct OutOfStock {
    order: u64,
}

/// A task that blocks runs on a thread of its own, and asks itself whether it should stop.
#[task(name = "shop.reports.year")]
fn report(ctx: &TaskContext, year: u16) -> String {
    for month in 1..=12_u8 {
        if ctx.is_cancelled() {
            return format!("{year}: stopped in month {month}");
        }
        ctx.progress(Progress { percent: Some(f64::from(month) / 0.12), ..Progress::default() });
    }
    format!("{year}: all is well")
}

/// An async task that wants to end by itself when it is cancelled; others are dropped where they await.
#[task(cancel = "cooperate")]
async fn wait_for_work(ctx: TaskContext) {
    ctx.cancellation().cancelled().await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Every task of this program; two of one name would be an error here.
    println!("tasks: {}", Registry::all()?.names().join(", "));

    // As a worker runs them: arguments travel as JSON.
    let order = Order { id: 7, items: vec!["book".to_owned()] };
    let shipped = run(ship::submit(order, Some(true))).await;
    println!("shipped {} packages", shipped.result::<usize>());

    let empty = run(ship::submit(Order { id: 8, items: Vec::new() }, None)).await;
    println!("order 8: {:?}", empty.outcome());

    let reported = run(report::submit(2026)).await;
    println!("{} after {} steps", reported.result::<String>(), reported.progress().len());

    let stopped = dispatcher::testing::run_cancelled(wait_for_work::submit()).await;
    println!("gave way: {}", stopped.outcome().is_ok());

    // What code publishes can be looked at instead of sent.
    let outbox = Outbox::new();
    report::submit(2027).delay(Duration::from_secs(60)).on(outbox.publisher()).await?;
    outbox.assert_published(report::submit(2027));
    Ok(())
}
