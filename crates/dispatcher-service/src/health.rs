//! Whether a message that is sent now would be heard and run.
//!
//! Looks and changes nothing. Where it stands: under `/readyz` and the metric `dispatcher_ready`.

use std::sync::atomic::Ordering;

use crate::control::Context;

/// What a message that is sent now would need and not find: somebody who hears it, and somebody who runs it. A broker
/// whose self-check fails has no session any more, so it is not listening.
pub(crate) fn missing(context: &Context<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    if context.engine.is_stopping() {
        missing.push("the service is stopping".to_owned());
    }
    for link in context.brokers.iter().filter(|link| !link.listening.load(Ordering::Relaxed)) {
        missing.push(format!("broker {} is not listening", link.broker.name()));
    }
    let (workers, (minimum, _)) = (context.engine.worker_counts(), context.engine.worker_limits());
    // A pool without a minimum starts its first worker when there is something to do.
    if workers.idle + workers.busy == 0 && minimum > 0 {
        missing.push("no worker is ready".to_owned());
    }
    missing
}
