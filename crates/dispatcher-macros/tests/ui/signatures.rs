//! Functions that no task can be.

use dispatcher::{TaskContext, task};

struct Shop;

impl Shop {
    #[task]
    async fn method(&self) {}
}

#[task]
async fn generic<T>(_value: T) {}

#[task]
async fn borrows(_name: &str, _list: &[u8], _shop: &Shop) {}

#[task]
async fn pattern((_a, _b): (u8, u8)) {}

#[task]
async fn anything(_value: impl Into<u8>) {}

#[task]
async fn context_last(_value: u8, _ctx: TaskContext) {}

#[task]
unsafe fn unsound() {}

#[task]
const fn constant() {}

#[task]
struct NoFunction;

trait Jobs {
    #[task]
    async fn declared();
}

fn main() {}
