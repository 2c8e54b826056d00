//! How many tasks a second go through enter, assign and finish, with few and with very many waiting.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dispatcher_engine::{BrokerId, Config, Effect, Engine, Input, PoolConfig, Quota, Source, WorkerId};
use dispatcher_protocol::{Decoded, Done, Outcome, TaskMessage, decode};

/// Tasks through the engine in one measured step.
const STEP: u64 = 1000;

fn message(number: u64) -> TaskMessage {
    let body = format!(
        r#"{{"task": "apps.noop", "time_pub": 1795485554.14, "uuid": "27324a06-fec9-456d-bb3f-{number:012}", "args": [{number}]}}"#
    );
    match decode(body) {
        Ok(Decoded::Task(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn submit(engine: &mut Engine, message: TaskMessage, channel: &Arc<str>, now: Instant) {
    let source = Source { broker: Some(BrokerId(0)), channel: Arc::clone(channel), handle: 0 };
    engine.handle(Input::Submit { source, message, trusted: false }, now);
}

/// An engine with two busy workers and so many tasks behind them.
fn loaded(queued: u64, now: Instant, channel: &Arc<str>) -> Engine {
    let pool = PoolConfig { min_workers: 2, max_workers: 2, ..PoolConfig::default() };
    let quota = Quota { tasks: usize::MAX, bytes: usize::MAX, ..Quota::default() };
    let mut engine = Engine::new(Config { pools: vec![pool], quota, ..Config::default() }, now);
    for worker in [WorkerId(0), WorkerId(1)] {
        engine.handle(Input::WorkerReady { worker, slots: 1, ahead: 8, tasks: Vec::new() }, now);
    }
    for number in 0..queued + 2 {
        submit(&mut engine, message(number), channel, now);
    }
    engine
}

/// Takes what the engine asks for; every task handed out ends at once.
fn drain(engine: &mut Engine, done: &mut Vec<(WorkerId, Done)>) {
    while let Some(effect) = engine.poll_effect() {
        if let Effect::Run { worker, task, .. } = effect {
            let uuid = task.uuid.to_string();
            let outcome = Outcome::Success;
            done.push((
                worker,
                Done { uuid, outcome, error: None, time_started: 0.0, time_finish: 0.0, is_stopping: false },
            ));
        }
    }
}

fn through(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("enter, assign, finish");
    group.throughput(Throughput::Elements(STEP)).sample_size(20);
    let channel: Arc<str> = Arc::from("bench");
    for queued in [10, 1_000, 100_000, 1_000_000] {
        #[expect(clippy::disallowed_methods, reason = "a benchmark has a real clock")]
        let now = Instant::now();
        let mut engine = loaded(queued, now, &channel);
        let mut handed = std::collections::VecDeque::new();
        let mut fresh = Vec::new();
        drain(&mut engine, &mut fresh);
        handed.extend(fresh.drain(..));
        group.bench_function(BenchmarkId::from_parameter(queued), |bencher| {
            bencher.iter_batched(
                || (0..STEP).map(message).collect::<Vec<_>>(),
                |messages| {
                    for message in messages {
                        submit(&mut engine, message, &channel, now);
                        if let Some((worker, done)) = handed.pop_front() {
                            engine.handle(Input::TaskDone { worker, done }, now);
                        }
                        drain(&mut engine, &mut fresh);
                        handed.extend(fresh.drain(..));
                    }
                    black_box(engine.queued_count());
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, through);
criterion_main!(benches);
