//! The scanner against other readers: Python's `json` decides what is accepted and what is equal, `serde_json`
//! knows strict JSON, and nothing ever panics.

use std::io::Write;
use std::process::{Command, Stdio};

use dispatcher_protocol::{Decoded, Reason, TaskMessage, decode, same_json, to_ascii_json};
use proptest::prelude::*;
use serde_json::Value;

/// Values as Python writes them, and texts that are nearly such.
const SEEDS: &[&str] = &[
    "1",
    "-1",
    "0",
    "-0",
    "-0.0",
    "00",
    "01",
    "-01",
    "1.",
    ".5",
    "1.5e3",
    "1e+5",
    "1e",
    "1e+",
    "1E-2",
    "1e5.5",
    "-",
    "+1",
    "--1",
    "1 2",
    "1_000",
    "0x10",
    "NaN",
    "-NaN",
    "nan",
    "NaNa",
    "Infinity",
    "-Infinity",
    "infinity",
    "- 1",
    "-I",
    "Inf",
    "true",
    "True",
    "tru",
    "truee",
    "false",
    "null",
    "nul",
    "None",
    "\"\"",
    "\"a\"",
    "'a'",
    "\"\\u00e4\"",
    "\"\\u00E4\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ude00\\ud83d\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\u0041\"",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\u+123\"",
    "\"\\u 123\"",
    "\"\\U00e4\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"a\u{0}b\"",
    "\"\u{1f}\"",
    "\"\u{7f}\"",
    "\"\u{85}\u{2028}\"",
    "\"ä🔥\"",
    "\"\\/\"",
    "\"\\b\\f\\n\\r\\t\"",
    "\"\\'\"",
    "\"\\0\"",
    "\"\\\"",
    "\"\\",
    "\"",
    "[]",
    "[1]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[[]]",
    "[[",
    "]]",
    "[1]]",
    "[}",
    "{]",
    "{}",
    "{\"a\":1}",
    "{\"a\" : 1 , \"b\":2}",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{1:1}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":[{\"b\":null}]}",
    "{\"a\"::1}",
    " [ 1 , 2 ] ",
    "\u{a0}1",
    "\u{feff}1",
    "1\u{b}",
    "1\u{c}",
    "\u{2028}1",
    "\t\r\n 1 \t\r\n",
    "9999999999999999999999999",
    "1e999",
    "-1e999",
    "1e-999",
    "[1.0e10]",
    "[-]",
    "",
    " ",
    "/**/1",
    "1//",
    "[1;2]",
    "undefined",
    "\u{0}",
    "١",
];

/// The characters that matter, for mutations.
const ALPHABET: &[char] = &[
    '"', '\\', '/', '[', ']', '{', '}', ',', ':', ' ', '\n', '\t', '0', '1', '9', '-', '+', '.', 'e', 'E',
    'u', 'd', '8', 'N', 'a', 'I', 't', 'n', '\u{0}', '\u{1f}', '\u{7f}', 'ä', '🔥', '\u{feff}', '\u{a0}',
];

/// A source of small choices, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Seeds, pairs of seeds, and both with characters put in, taken out and replaced.
fn corpus() -> Vec<String> {
    let mut texts: Vec<String> = SEEDS.iter().map(ToString::to_string).collect();
    for one in SEEDS {
        for other in SEEDS {
            texts.push(format!("[{one},{other}]"));
            texts.push(format!("{{\"k\":{one},{other}:1}}"));
        }
    }
    let mut dice = Dice(7);
    for number in 0..10_000 {
        let mut characters: Vec<char> = texts[number % texts.len()].chars().collect();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(characters.len() + 1);
            let character = ALPHABET[dice.roll(ALPHABET.len())];
            match dice.roll(3) {
                0 => characters.insert(at, character),
                1 if at < characters.len() => characters[at] = character,
                _ if at < characters.len() => drop(characters.remove(at)),
                _ => {}
            }
        }
        texts.push(characters.into_iter().collect());
    }
    for digits in [4299, 4300, 4301, 5000] {
        texts.push("9".repeat(digits));
        texts.push(format!("[-{}]", "9".repeat(digits)));
        texts.push(format!("{}.5", "9".repeat(digits)));
        texts.push(format!("{}e5", "9".repeat(digits)));
    }
    texts
}

/// Runs a Python program that reads a list of texts as JSON from its input and answers one line for each.
fn python(program: &str, texts: &[String]) -> Vec<String> {
    let mut python = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests need python3");
    let input = serde_json::to_vec(texts).expect("texts");
    let mut stdin = python.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = python.wait_with_output().expect("an end");
    writer.join().expect("a writer").expect("python reads everything");
    assert!(output.status.success());
    let answers: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), texts.len());
    answers
}

/// Whether the scanner takes a text for JSON.
fn is_json(text: &str) -> bool {
    decode(format!("{{\"task\": \"a.b\", \"x\": {text}}}")).is_ok()
}

const LOADS: &str = "import json, sys
for text in json.load(sys.stdin):
    try:
        json.loads(text)
        print('yes')
    except ValueError:
        print('no')
";

#[test]
fn it_accepts_what_python_accepts_and_refuses_what_python_refuses() {
    let texts = corpus();
    let answers = python(LOADS, &texts);
    assert!(answers.iter().filter(|answer| *answer == "yes").count() > 1000);
    for (text, answer) in texts.iter().zip(answers) {
        // A text with a way out of the object around it is judged alone.
        let ours = is_json(text) && is_json(&format!("[{text}]"));
        assert_eq!(ours, answer == "yes", "{text:?}");
    }
}

/// The whole list of what Python takes and the service does not.
#[test]
fn depth_number_of_keys_and_length_are_the_only_differences_from_python() {
    let keys = vec!["\"k\":1"; 10_001].join(",");
    let texts = [
        (format!("{{\"task\":\"a.b\",\"args\":{}{}}}", "[".repeat(65), "]".repeat(65)), Reason::TooDeep),
        (format!("{{\"task\":\"a.b\",\"kwargs\":{{{keys}}}}}"), Reason::TooManyKeys),
        (
            format!("{{\"task\":\"a.b\",\"args\":[\"{}\"]}}", "x".repeat(dispatcher_protocol::MAX_MESSAGE)),
            Reason::TooLong,
        ),
    ];
    let answers = python(LOADS, &texts.clone().map(|(text, _)| text));
    for ((text, reason), answer) in texts.into_iter().zip(answers) {
        assert_eq!((decode(text).unwrap_err().reason, &*answer), (reason, "yes"));
    }
}

#[test]
fn values_are_equal_when_python_holds_them_to_be_equal() {
    let values: Vec<&str> = SEEDS.iter().copied().filter(|text| is_json(text)).collect();
    let mut numbers: Vec<String> = Vec::new();
    for exponent in [52, 53, 54, 62, 63, 64, 70, 126, 127, 128] {
        for offset in ["0", "1", "-1"] {
            numbers.push(format!("{}", (1_i128 << (exponent.min(126))) + offset.parse::<i128>().unwrap()));
        }
        numbers.push(format!("{:?}", 2_f64.powi(exponent)));
        numbers.push(format!("-{:?}", 2_f64.powi(exponent)));
    }
    numbers.extend(
        ["1e22", "1e23", "100000000000000000000000", "0.1", "1e-1", "1.0", "true"].map(str::to_owned),
    );
    let values: Vec<&str> = values.into_iter().chain(numbers.iter().map(String::as_str)).collect();
    let mut pairs = Vec::new();
    for one in &values {
        for other in &values {
            pairs.push((format!("[{one}]"), format!("[{other}]")));
        }
    }
    let program = "import json, sys
for text in json.load(sys.stdin):
    one, other = text.split('\\x1e')
    print('yes' if json.loads(one) == json.loads(other) else 'no')
";
    let texts: Vec<String> = pairs.iter().map(|(one, other)| format!("{one}\u{1e}{other}")).collect();
    for ((one, other), answer) in pairs.iter().zip(python(program, &texts)) {
        assert_eq!(same_json(one, other), answer == "yes", "{one} {other}");
    }
}

#[test]
fn python_reads_what_a_worker_gets_as_what_was_published() {
    let tasks: Vec<(String, TaskMessage)> = corpus()
        .into_iter()
        .map(|text| {
            format!("\r\n{{\"task\": \"a.b\",\n\"args\": [{text}], \"uuid\": null, \"channel\": 5}} ")
        })
        .filter_map(|text| match decode(text.clone()) {
            Ok(Decoded::Task(message)) => Some((text, message)),
            _ => None,
        })
        .collect();
    assert!(tasks.len() > 1000);
    let program = "import json, sys
for text in json.load(sys.stdin):
    published, handed_out = text.split('\\x1e')
    one, other = json.loads(published), json.loads(handed_out)
    one.update(uuid='u', channel='c')
    print('yes' if repr(one) == repr(other) else 'no')
";
    let texts: Vec<String> = tasks
        .iter()
        .map(|(text, message)| {
            let mut out = Vec::new();
            message.write_with("u", "c", &mut out);
            format!("{text}\u{1e}{}", String::from_utf8(out).unwrap())
        })
        .collect();
    for ((text, _), answer) in tasks.iter().zip(python(program, &texts)) {
        assert_eq!(answer, "yes", "{text:?}");
    }
}

#[test]
fn replies_are_written_as_python_writes_them() {
    let replies: Vec<Value> = SEEDS.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    let written: Vec<String> = replies.iter().map(to_ascii_json).collect();
    let program = "import json, sys
for text in json.load(sys.stdin):
    print(json.dumps(json.loads(text)))
";
    assert_eq!(python(program, &written), written);
}

/// Values of strict JSON with numbers that both readers read alike.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
        "\\PC{0,8}|[\u{0}-\u{1f}\"\\\\]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strict_json_is_taken_however_it_is_written(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap(), to_ascii_json(&value)] {
            prop_assert!(is_json(&text), "{text}");
        }
    }

    #[test]
    fn what_strict_json_takes_is_taken(text in r#"[\[\]{}",:0-9truefalsn\\. \-]{0,24}"#) {
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(is_json(&text));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = decode(text);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = decode(format!("{{\"task\":\"a.b\",\"args\":[{text}"));
        let _ = decode(text);
    }

    #[test]
    fn no_json_like_text_makes_it_panic(text in r#"[\[\]{}",:0-9a-z\\. \-]{0,200}"#) {
        let _ = decode(format!("{{{text}"));
    }
}
