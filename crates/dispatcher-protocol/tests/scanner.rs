//! The scanner against other readers: Python's `json.loads` decides what is accepted, and nothing ever panics.

use std::io::Write;
use std::process::{Command, Stdio};

use dispatcher_protocol::{Assembled, Assembler, ChunkPart};
use dispatcher_protocol::{Decoded, FrameReader, WorkerFrame, decode, split};
use proptest::prelude::*;

/// Values as Python might write them, and texts that are nearly such.
const SEEDS: &[&str] = &[
    "1",
    "-1",
    "0",
    "-0",
    "01",
    "1.",
    ".5",
    "1.5e3",
    "1e+5",
    "1e",
    "1E-2",
    "-",
    "+1",
    "1 2",
    "NaN",
    "-NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "infinity",
    "true",
    "True",
    "null",
    "nul",
    "\"\"",
    "\"a\"",
    "\"\\u00e4\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\u{7f}\"",
    "\"ä\"",
    "'a'",
    "[]",
    "[1]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[[]]",
    "[[",
    "]]",
    "{}",
    "{\"a\":1}",
    "{\"a\" : 1 , \"b\":2}",
    "{\"a\":1,}",
    "{a:1}",
    "{1:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1 \"b\":2}",
    "[1]]",
    "{\"a\":[{\"b\":null}]}",
    " [ 1 , 2 ] ",
    "\u{a0}1",
    "\u{feff}1",
    "1\u{b}",
    "\"\\/\"",
    "\"\\b\\f\\n\\r\\t\"",
    "\"\\",
    "\"",
    "9999999999999999999999999",
    "1e999",
    "[1.0e10]",
    "[-]",
    "--1",
];

#[test]
fn it_accepts_what_python_accepts_and_refuses_what_python_refuses() {
    let mut texts: Vec<String> = SEEDS.iter().map(ToString::to_string).collect();
    for one in SEEDS {
        for other in SEEDS {
            texts.push(format!("[{one},{other}]"));
        }
    }
    let script = "import json,sys\n\
        for text in json.load(sys.stdin):\n    \
        try: json.loads(text); print(1)\n    \
        except ValueError: print(0)\n";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed by the tests");
    let input = serde_json::to_vec(&texts).expect("texts are JSON");
    python.stdin.take().expect("piped").write_all(&input).expect("python reads");
    let output = python.wait_with_output().expect("python ends");
    let answers = String::from_utf8_lossy(&output.stdout).lines().map(|line| line == "1").collect::<Vec<_>>();
    assert_eq!(answers.len(), texts.len());
    for (text, accepted) in texts.iter().zip(answers) {
        let ours = decode(format!(r#"{{"task": "a.b", "x": {text}}}"#)).is_ok();
        assert_eq!(ours, accepted, "{text:?}");
    }
}

fn part(envelope: &str) -> ChunkPart {
    match decode(envelope.to_owned()) {
        Ok(Decoded::Chunk(part)) => part,
        other => panic!("{other:?}"),
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = decode(text);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(text in r#"[\[\]{}",:0-9a-z\\. \-]{0,200}"#) {
        let _ = decode(format!("{{{text}"));
    }

    #[test]
    fn pieces_in_any_order_make_the_message_again(message in "\\PC{1,3000}", limit in 230_usize..1000, seed in any::<u64>()) {
        let mut pieces = split(&message, limit, "0123456789abcdef0123456789abcdef");
        prop_assert!(pieces.iter().all(|piece| piece.len() <= limit));
        let count = pieces.len();
        for at in (1..count).rev() {
            pieces.swap(at, (seed.rotate_left(at as u32) % (at as u64 + 1)) as usize);
        }
        let mut assembler = Assembler::new(std::time::Duration::from_secs(60));
        let at = now();
        for (number, piece) in pieces.iter().enumerate() {
            let got = assembler.add(part(piece), at);
            if number + 1 < count {
                prop_assert_eq!(got, Assembled::Waiting);
            } else {
                prop_assert_eq!(got, Assembled::Complete(message.clone()));
            }
        }
    }

    #[test]
    fn frames_read_the_same_wherever_the_stream_is_cut(cuts in proptest::collection::vec(1_usize..40, 1..60)) {
        let stream = concat!(
            r#"{"event":"ready","worker":0,"slots":2,"ahead":8,"tasks":["a.b"]}"#, "\n",
            r#"{"event":"done","worker":0,"uuid":"u","outcome":"success","result":{"a":[1]},"time_started":1.5,"time_finish":2}"#, "\n",
            "\n",
            r#"{"event":"later","x":1}"#, "\n",
            r#"{"event":"control","id":7,"command":"running","control_data":{}}"#, "\n",
            r#"{"event":"shutdown"}"#, "\n",
        ).as_bytes();
        let read = |cuts: &[usize]| {
            let (mut reader, mut rest, mut frames) = (FrameReader::new(1024), stream, Vec::new());
            let mut sizes = cuts.iter().cycle();
            while !rest.is_empty() {
                let size = (*sizes.next().unwrap_or(&1)).min(rest.len());
                reader.space(size).extend_from_slice(&rest[..size]);
                rest = &rest[size..];
                while let Ok(Some(frame)) = reader.next_frame() {
                    frames.push(frame);
                }
            }
            assert!(reader.finish().is_ok());
            frames
        };
        let whole = read(&[stream.len()]);
        prop_assert_eq!(whole.len(), 5);
        prop_assert_eq!(&whole[2], &WorkerFrame::Unknown("later".to_owned()));
        prop_assert_eq!(read(&cuts), whole);
    }
}

#[test]
fn a_line_that_never_ends_and_half_a_line_are_errors() {
    let mut reader = FrameReader::new(100);
    reader.space(200).extend_from_slice(&[b'x'; 200]);
    assert!(reader.next_frame().is_err());
    let mut reader = FrameReader::new(100);
    reader.space(10).extend_from_slice(b"{\"event\":");
    assert_eq!(reader.next_frame(), Ok(None));
    assert!(reader.finish().is_err());
}

#[test]
fn a_frame_that_is_no_frame_is_an_error_without_its_text() {
    let mut reader = FrameReader::new(100);
    reader.space(50).extend_from_slice(b"{\"event\":\"done\",\"secret\":1}\n");
    let error = reader.next_frame().expect_err("no uuid").to_string();
    assert!(!error.contains("secret"), "{error}");
}
