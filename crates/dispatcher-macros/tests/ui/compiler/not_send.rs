//! A task moves between threads where it awaits.

use std::rc::Rc;

use dispatcher::task;

#[task]
async fn not_send() {
    let kept = Rc::new(1);
    std::future::ready(()).await;
    drop(kept);
}

fn main() {}
