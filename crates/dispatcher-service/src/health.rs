//! Whether a message that is sent now would be heard and run.
//!
//! Looks and changes nothing. Where it stands: under `/readyz` and the metric `dispatcher_ready`.

use std::sync::atomic::Ordering;

use crate::control::Context;

/// From so many failed starts in a row on, workers that are left are no comfort: they will not be replaced.
const MOST_FAILURES: u32 = 10;

/// What a message that is sent now would need and not find: somebody who hears it, and somebody who runs it. A broker
/// whose self-check fails has no session any more, so it is not listening.
pub(crate) fn missing(context: &Context<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    let state = match context.engine.switches() {
        _ if context.engine.is_stopping() => Some("the service is stopping"),
        (false, _) => Some("the service is quiet: it takes no tasks until it is resumed"),
        (true, false) => Some("the service is paused: it begins no tasks until it is resumed"),
        (true, true) => None,
    };
    missing.extend(state.map(str::to_owned));
    for link in context.brokers.iter().filter(|link| !link.listening.load(Ordering::Relaxed)) {
        missing.push(format!("broker {} is not listening", link.broker.name()));
    }
    let pools = context.engine.pools();
    let several = pools.len() > 1;
    for pool in pools {
        let of = if several { format!(" of the pool {}", pool.name) } else { String::new() };
        // A pool without a minimum starts its first worker when there is something to do.
        if pool.workers.idle + pool.workers.busy == 0 && pool.min > 0 {
            missing.push(format!("no worker{of} is ready"));
        }
        let failures = pool.start_failures;
        if failures >= MOST_FAILURES {
            missing.push(format!("{failures} workers{of} in a row could not be started; the log says why"));
        }
    }
    missing
}
