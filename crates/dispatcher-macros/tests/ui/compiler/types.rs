//! Types that cannot travel.

use dispatcher::task;

struct Order;

#[task]
async fn argument(_order: Order) {}

#[task]
async fn result() -> Order {
    Order
}

#[task]
async fn error() -> Result<(), Order> {
    Err(Order)
}

fn main() {}
