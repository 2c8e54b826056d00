//! The head of a request, read within bounds before anything else looks at it.
//!
//! A slow or hostile client is dealt with here: the HTTP library behind it only ever sees heads that are whole and short.
//! Judges no path and no method.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its first line is no request.
    Bad,
    /// Its head is longer than [`MAX_HEAD`].
    TooLong,
    /// The other end left.
    Left,
}

/// Reads until the head is whole; gives everything that was read. What follows the head may be in there too.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if (&mut *from)
            .take((MAX_HEAD - bytes.len()) as u64)
            .read_buf(&mut bytes)
            .await
            .is_ok_and(|count| count > 0)
        {
            match judge(&bytes) {
                Judgement::Whole => return Ok(bytes),
                Judgement::Bad => return Err(Refusal::Bad),
                Judgement::More if bytes.len() == MAX_HEAD => return Err(Refusal::TooLong),
                Judgement::More => {}
            }
        } else {
            return Err(Refusal::Left);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Whole,
    More,
    Bad,
}

/// The first line must be three words; an empty line ends the head. Lines may end in a bare newline.
fn judge(bytes: &[u8]) -> Judgement {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Judgement::More };
    let (line, rest) = bytes.split_at(end);
    match str::from_utf8(line) {
        Ok(line) if line.split_ascii_whitespace().count() == 3 => {}
        _ => return Judgement::Bad,
    }
    let ends = |ending: &[u8]| rest.windows(ending.len()).any(|window| window == ending);
    if ends(b"\n\n") || ends(b"\n\r\n") { Judgement::Whole } else { Judgement::More }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_whole_at_the_empty_line() {
        let heads: [&[u8]; 3] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n",
            b"get /a HTTP/1.0\r\nA: b\r\n\r\nrest",
        ];
        for head in heads {
            assert_eq!(judge(head), Judgement::Whole);
        }
        let parts: [&[u8]; 4] = [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"];
        for part in parts {
            assert_eq!(judge(part), Judgement::More);
        }
    }

    #[test]
    fn first_lines_that_are_no_request_are_refused_at_once() {
        let lines: [&[u8]; 4] =
            [b"\r\n", b"NONSENSE\r\n", b"GE\xff /a HTTP/1.1\n", b"GET / HTTP/1.1 more\r\n"];
        for line in lines {
            assert_eq!(judge(line), Judgement::Bad, "{line:?}");
        }
    }

    #[tokio::test]
    async fn reading_ends_at_the_bound_and_at_the_end_of_the_other_side() {
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 2 * MAX_HEAD]].concat();
        assert_eq!(read(&mut long.as_slice()).await, Err(Refusal::TooLong));
        assert_eq!(read(&mut b"GET / HT".as_slice()).await, Err(Refusal::Left));
        assert_eq!(read(&mut b"".as_slice()).await, Err(Refusal::Left));
        assert_eq!(read(&mut b"a b c\n\nd".as_slice()).await, Ok(b"a b c\n\nd".to_vec()));
    }
}
