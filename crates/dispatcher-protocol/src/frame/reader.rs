//! The two ends of a worker's channel as frames: what a worker says, and what it is told.

use super::lines::Lines;
use super::orders::{self, ServiceFrame};
use super::parse::parse;
use super::{FrameError, WorkerFrame};

/// Cuts what a worker sends into frames.
#[derive(Debug)]
pub struct FrameReader(Lines);

/// Cuts what a service sends to its worker into frames.
#[derive(Debug)]
pub struct ServiceReader(Lines);

impl FrameReader {
    /// `limit`: the longest line taken, in bytes without its line feed.
    pub fn new(limit: usize) -> Self {
        Self(Lines::new(limit))
    }

    /// Where to append what is read next; has room for `wanted` more bytes. Append no more than that, and take
    /// all frames before the next read.
    pub fn space(&mut self, wanted: usize) -> &mut Vec<u8> {
        self.0.space(wanted)
    }

    /// The next whole frame; none until more bytes come. Empty lines are passed over.
    pub fn next_frame(&mut self) -> Result<Option<WorkerFrame>, FrameError> {
        self.0.next()?.map(parse).transpose()
    }

    /// The channel has ended: nothing may be left.
    pub fn finish(&self) -> Result<(), FrameError> {
        self.0.finish()
    }
}

impl ServiceReader {
    /// As for [`FrameReader::new`].
    pub fn new(limit: usize) -> Self {
        Self(Lines::new(limit))
    }

    /// As for [`FrameReader::space`].
    pub fn space(&mut self, wanted: usize) -> &mut Vec<u8> {
        self.0.space(wanted)
    }

    /// As for [`FrameReader::next_frame`].
    pub fn next_frame(&mut self) -> Result<Option<ServiceFrame>, FrameError> {
        self.0.next()?.map(orders::parse).transpose()
    }
}
