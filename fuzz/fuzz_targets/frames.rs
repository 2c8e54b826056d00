//! Any stream from a worker, cut anywhere: the same frames, the same error, and never more memory than the limit.
#![no_main]

use dispatcher_protocol::{FrameError, FrameReader, WorkerFrame};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 2000;

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<WorkerFrame>, Option<FrameError>) {
    let mut reader = FrameReader::new(LIMIT);
    let mut frames = Vec::new();
    for part in parts {
        let space = reader.space(part.len());
        assert!(space.capacity() <= (LIMIT + 1 + part.len()).max(64 * 1024));
        space.extend_from_slice(part);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, reader.finish().err())
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = read(std::iter::once(stream));
    assert_eq!(read(stream.chunks(usize::from(size) + 1)), whole);
    assert_eq!(read(stream.chunks(1)), whole);
});
