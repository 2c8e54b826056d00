//! A submission that nobody awaits.
#![deny(unused_must_use)]

use dispatcher::task;

#[task]
async fn ship(_order: u64) {}

fn main() {
    ship::delay(1);
}
