//! Options that there are not, and values that make no sense.

use dispatcher::task;

#[task(que = "a")]
async fn unknown() {}

#[task(bind = true)]
async fn from_python() {}

#[task(queue = "a", queue = "b")]
async fn twice() {}

#[task(timeout = "5 parsecs")]
async fn no_time() {}

#[task(delay = "400d")]
async fn too_long() {}

#[task(timeout = true)]
async fn no_literal_of_time() {}

#[task(on_duplicate = "ignore")]
async fn no_rule() {}

#[task(name = "ship")]
async fn no_module() {}

#[task(name = "shop.ship order")]
async fn no_identifier() {}

#[task(queue = "")]
async fn no_channel() {}

#[task(queue)]
async fn no_value() {}

#[task(queue = CHANNEL)]
async fn no_literal() {}

#[task(cancel = "drop")]
fn cancel_of_a_blocking_one() {}

fn main() {}
