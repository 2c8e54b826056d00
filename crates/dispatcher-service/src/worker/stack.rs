//! A look at what a worker is doing, without touching it: a pipe and a signal.
//!
//! A worker announces signals, on each of which it writes its stack into the pipe. The first is the gentle one, which its
//! interpreter answers between two steps; when nothing comes by that, the next one is answered by a handler that needs
//! neither interpreter nor task, but may do harm where the interpreter is just at work. What comes through the pipe is as hostile as all else that a worker says: it is
//! bounded in bytes and in time, and no character of it can speak to a terminal. Never waits for anything; never decides
//! when to look (that is `tend`'s, and the driver's).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::process::Process;
use super::watched::watch;

/// The lines of a stack, that of the main thread first; or why there is none.
pub(crate) type Stack = Result<Vec<String>, String>;

/// How long a stack may take to come. A worker writes it in less than a millisecond, unless the machine is busy.
const MOST: Duration = Duration::from_millis(100);

/// Silence after which a stack counts as whole: its end cannot be seen. Long enough for a worker that has to give up
/// its CPU in the middle.
const QUIET: Duration = Duration::from_millis(15);

/// The most that is taken in, in bytes; the end of what a worker writes is left out.
const LIMIT: usize = 64 * 1024;

/// How often old text is read away before a look, at [`LIMIT`] bytes; a pipe holds as much as one of them.
const EMPTIED: usize = 8;

/// The reading end of a worker's stack pipe.
#[derive(Debug)]
pub(crate) struct StackPipe {
    pipe: AsyncFd<OwnedFd>,
    /// What makes the worker write, the gentlest first; none until it has announced some.
    signals: Vec<Signal>,
    /// The stack that is being taken.
    taking: Option<Taking>,
}

#[derive(Debug)]
struct Taking {
    text: Vec<u8>,
    /// How many of the signals have been sent.
    sent: u32,
    /// The end of it, whatever comes.
    latest: Instant,
    /// The end of it, or of the present signal's time, unless more comes.
    until: Instant,
}

impl StackPipe {
    /// A new pipe: our end, and the end for the worker. Neither ever blocks.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((Self { pipe: watch(ours, Interest::READABLE)?, signals: Vec::new(), taking: None }, theirs))
    }

    /// The worker has said which signals make it write. Only those are believed that no program gets by chance or that
    /// do nothing to one which does not handle them; false when there are others.
    pub(crate) fn announce(&mut self, numbers: &[i32]) -> bool {
        let known = [Signal::URG, Signal::STKFLT, Signal::USR2];
        let of = |number: &i32| known.into_iter().find(|signal| signal.as_raw() == *number);
        self.signals = numbers.iter().filter_map(of).take(known.len()).collect();
        self.signals.len() == numbers.len()
    }

    /// The worker gives no stack any more.
    pub(crate) fn withdraw(&mut self) {
        self.signals.clear();
    }

    /// Whether the worker gives stacks at all.
    pub(crate) fn is_offered(&self) -> bool {
        !self.signals.is_empty()
    }

    pub(crate) fn is_taking(&self) -> bool {
        self.taking.is_some()
    }

    /// Makes the worker write. What it has written before, on whatever occasion, is thrown away first.
    pub(crate) fn begin(&mut self, process: &Process) -> Result<(), String> {
        if !self.is_offered() {
            return Err("its worker has announced no stack_signals, or is being killed".to_owned());
        }
        let mut old = Vec::with_capacity(LIMIT);
        for _ in 0..EMPTIED {
            old.clear();
            if !matches!(self.read_now(&mut old), Ok(count) if count > 0) {
                break;
            }
        }
        let now = Instant::now();
        self.taking = Some(Taking { text: Vec::new(), sent: 0, latest: now + MOST, until: now });
        self.ask_harder(process);
        Ok(())
    }

    /// Sends the next signal if the ones before had no effect; false when there is none, or no time left.
    pub(crate) fn ask_harder(&mut self, process: &Process) -> bool {
        let (Some(taking), now) = (&mut self.taking, Instant::now()) else { return false };
        let Some(signal) = self.signals.get(taking.sent as usize) else { return false };
        if !taking.text.is_empty() || now >= taking.latest {
            return false;
        }
        process.signal(*signal);
        taking.sent += 1;
        // Each has an equal part of the time.
        let left = u32::try_from(self.signals.len()).unwrap_or(1).saturating_sub(taking.sent);
        taking.until = now + (taking.latest - now) / (left + 1);
        true
    }

    /// Waits until the worker has written; for ever while nothing is being taken. Cancel-safe: what has come is kept
    /// here.
    pub(crate) async fn written(&mut self) {
        let Self { pipe, taking: Some(taking), .. } = self else { return std::future::pending().await };
        loop {
            let mut ready = tokio::select! {
                biased;
                ready = pipe.readable() => match ready {
                    Ok(ready) => ready,
                    Err(_) => return,
                },
                () = sleep_until(taking.until) => return,
            };
            // A worker that never stops writing must not hold the tender either.
            if taking.text.len() >= LIMIT || Instant::now() >= taking.latest {
                return;
            }
            taking.text.reserve(LIMIT - taking.text.len());
            match read(pipe, &mut taking.text) {
                Ok(0) => return,
                Ok(_) => taking.until = (Instant::now() + QUIET).min(taking.latest),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(_) => return,
            }
        }
    }

    /// What has been written since [`StackPipe::begin`], and the end of taking it.
    pub(crate) fn take(&mut self, process: &Process) -> Stack {
        let mut text = self.taking.take().map_or_else(Vec::new, |taking| taking.text);
        while text.len() < LIMIT {
            text.reserve(LIMIT - text.len());
            if !matches!(self.read_now(&mut text), Ok(count) if count > 0) {
                break;
            }
        }
        let lines = lines(&text);
        if !lines.is_empty() {
            return Ok(lines);
        }
        let wait = MOST.as_millis();
        Err(match process.state() {
            Some('T' | 't') => {
                "its process is stopped (SIGSTOP); kill -CONT lets it go on, and answer".to_owned()
            }
            Some('D') => "its process is deep in the kernel (state D), where no signal reaches it".to_owned(),
            None | Some('Z' | 'X') => "its process has ended".to_owned(),
            Some(_) => format!("it gave none within {wait} ms"),
        })
    }

    fn read_now(&self, into: &mut Vec<u8>) -> io::Result<usize> {
        read(&self.pipe, into)
    }
}

fn read(pipe: &AsyncFd<OwnedFd>, into: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match rustix::io::read(pipe.as_fd(), spare_capacity(into)) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// What a worker wrote, as lines that can be shown anywhere. Threads are parted by empty lines, the youngest first; the
/// main thread, which is the last one, goes to the front.
fn lines(text: &[u8]) -> Vec<String> {
    let is_cut = text.len() >= LIMIT;
    let shown = String::from_utf8_lossy(&text[..text.len().min(LIMIT)]);
    let shown: Vec<String> = shown.lines().map(|line| harmless(line.trim())).collect();
    let threads = shown.split(String::is_empty).filter(|thread| !thread.is_empty());
    let mut lines: Vec<String> = threads.rev().flatten().cloned().collect();
    if is_cut {
        lines.push(format!("... cut off at {LIMIT} bytes"));
    }
    lines
}

/// The text with its control characters escaped.
fn harmless(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    /// A worker that does this when it is looked into; it has written `ready` before.
    async fn worker(on_signal: &str) -> (StackPipe, Process) {
        let (mut pipe, theirs) = StackPipe::new().unwrap();
        let script = format!("trap '{on_signal}' 16; echo ready; while :; do :; done");
        let child =
            Command::new("sh").args(["-c", &script]).stdout(Stdio::from(theirs)).kill_on_drop(true).spawn();
        drop(pipe.pipe.readable().await.unwrap());
        assert!(pipe.announce(&[23, 16]));
        (pipe, Process::own(child.unwrap()).unwrap())
    }

    async fn look(pipe: &mut StackPipe, process: &Process) -> (Stack, Duration) {
        let begun = Instant::now();
        pipe.begin(process).unwrap();
        pipe.written().await;
        while pipe.ask_harder(process) {
            pipe.written().await;
        }
        let took = begun.elapsed();
        let stack = pipe.take(process);
        process.signal(Signal::KILL);
        (stack, took)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_written_before_is_no_part_of_the_stack_and_nothing_in_it_is_harmful() {
        let (mut pipe, process) = worker(r#"printf "young\n\n  main\033[2J\377\n""#).await;
        let (stack, _) = look(&mut pipe, &process).await;
        assert_eq!(stack.unwrap(), ["main\\u{1b}[2J\u{fffd}", "young"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_worker_that_answers_the_gentle_signal_gets_no_other() {
        let (mut pipe, process) = worker("echo hard").await;
        let (mut gentle, theirs) = StackPipe::new().unwrap();
        drop(theirs);
        assert!(gentle.announce(&[23, 16]) && look(&mut pipe, &process).await.0.is_ok());
        let script = "trap 'echo gentle' 23; trap 'echo hard' 16; echo ready; while :; do :; done";
        let (mut pipe, theirs) = StackPipe::new().unwrap();
        let child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::from(theirs)).kill_on_drop(true).spawn();
        drop(pipe.pipe.readable().await.unwrap());
        assert!(pipe.announce(&[23, 16]));
        let process = Process::own(child.unwrap()).unwrap();
        assert_eq!(look(&mut pipe, &process).await.0.unwrap(), ["gentle"]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_flood_is_cut_off() {
        let (mut pipe, process) = worker("while :; do echo 123456789; done").await;
        let (stack, took) = look(&mut pipe, &process).await;
        let lines = stack.unwrap();
        assert!(lines.iter().map(|line| line.len() + 1).sum::<usize>() <= LIMIT + 40);
        assert!(took < MOST * 5, "{took:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_that_never_comes_to_its_end_is_not_waited_for() {
        let (mut pipe, process) =
            worker("while :; do echo more; i=0; while [ $i -lt 999 ]; do i=$((i+1)); done; done").await;
        let (stack, took) = look(&mut pipe, &process).await;
        assert!(stack.is_ok_and(|lines| lines.len() > 1));
        assert!(took < MOST * 5, "{took:?}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_stopped_process_gives_none_and_that_is_said() {
        let (mut pipe, process) = worker("echo stack").await;
        process.signal(Signal::STOP);
        while process.state() != Some('T') {
            tokio::task::yield_now().await;
        }
        let (stack, took) = look(&mut pipe, &process).await;
        assert!(stack.is_err_and(|why| why.contains("SIGSTOP")) && took >= MOST);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_worker_that_says_nothing_or_closes_its_end_has_no_stack() {
        let (mut pipe, process) = worker(":").await;
        assert!(look(&mut pipe, &process).await.0.is_err_and(|why| why.contains("none within")));
        let (mut pipe, process) = worker("exec >&-").await;
        assert!(look(&mut pipe, &process).await.0.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_a_signal_that_cannot_do_harm_is_believed() {
        let (mut pipe, _) = StackPipe::new().unwrap();
        for number in (-1..=65).filter(|number| ![12, 16, 23].contains(number)) {
            assert!(!pipe.announce(&[number]) && !pipe.is_offered(), "{number}");
        }
        let idle = worker(":").await.1;
        assert!(pipe.begin(&idle).is_err_and(|why| why.contains("stack_signals")));
        idle.signal(Signal::KILL);
    }

    #[test]
    fn a_text_of_the_greatest_length_says_that_it_is_cut() {
        let shown = lines(&b"x\n".repeat(LIMIT));
        assert_eq!(
            (shown.len(), shown.last().unwrap().as_str()),
            (LIMIT / 2 + 1, "... cut off at 65536 bytes")
        );
        assert_eq!(lines(&b"\n".repeat(LIMIT)), ["... cut off at 65536 bytes"]);
        assert!(lines(b" \n\n").is_empty());
    }
}
