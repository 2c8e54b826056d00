//! The text that Prometheus reads, version 0.0.4: families of samples with their help and type.
//!
//! Knows no metric. Text only ever grows; nothing is kept between two pages.

use std::fmt::{Display, Write};

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Label names and values.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page under construction.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        self.line(format_args!("# HELP {name} {}", help.replace('\\', r"\\").replace('\n', r"\n")));
        self.line(format_args!("# TYPE {name} {}", kind.as_str()));
        Family { page: self, name }
    }

    /// A line that machines pass over.
    pub fn comment(&mut self, text: &str) {
        self.line(format_args!("# {}", text.replace('\n', " ")));
    }

    /// The finished page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{text}");
    }
}

/// A family whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// One sample.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.write("", labels, None, &value)
    }

    /// One histogram: how many were no larger than each bound, the bounds rising, then how many there were in all, and
    /// their sum.
    pub fn histogram(
        &mut self,
        labels: Labels<'_>,
        upto: impl IntoIterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) -> &mut Self {
        for (bound, count) in upto {
            self.write("_bucket", labels, Some(&bound), &count);
        }
        self.write("_bucket", labels, Some(&"+Inf"), &count);
        self.write("_sum", labels, None, &sum);
        self.write("_count", labels, None, &count)
    }

    fn write(
        &mut self,
        ending: &str,
        labels: Labels<'_>,
        bound: Option<&dyn Display>,
        value: &dyn Display,
    ) -> &mut Self {
        let text = &mut self.page.0;
        text.push_str(self.name);
        text.push_str(ending);
        let mut before = '{';
        for (name, value) in labels {
            let _ = write!(text, "{before}{name}=\"");
            escape(text, value);
            text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(text, "{before}le=\"{bound}\"");
            before = ',';
        }
        let _ = writeln!(text, "{} {value}", if before == ',' { "}" } else { "" });
        self
    }
}

/// A label's value: any text will do once three characters are escaped.
fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str(r#"\""#),
            '\n' => text.push_str(r"\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_look_as_prometheus_wants_them() {
        let mut page = Exposition::default();
        page.family("things_total", Kind::Counter, "Things.").sample(&[], 3_u64);
        page.family("level", Kind::Gauge, "Level.").sample(&[("of", "a"), ("in", "b")], 0.25);
        page.family("wait_seconds", Kind::Histogram, "Wait.")
            .histogram(&[("of", "a")], [(0.5, 1), (2.0, 3)], 4, 9.5)
            .histogram(&[], [(0.5, 0)], 0, 0.0);
        page.comment("the\nend");
        let expected = r#"# HELP things_total Things.
# TYPE things_total counter
things_total 3
# HELP level Level.
# TYPE level gauge
level{of="a",in="b"} 0.25
# HELP wait_seconds Wait.
# TYPE wait_seconds histogram
wait_seconds_bucket{of="a",le="0.5"} 1
wait_seconds_bucket{of="a",le="2"} 3
wait_seconds_bucket{of="a",le="+Inf"} 4
wait_seconds_sum{of="a"} 9.5
wait_seconds_count{of="a"} 4
wait_seconds_bucket{le="0.5"} 0
wait_seconds_bucket{le="+Inf"} 0
wait_seconds_sum 0
wait_seconds_count 0
# the end
"#;
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn hostile_label_values_stay_inside_their_quotes() {
        let mut page = Exposition::default();
        page.family("x", Kind::Gauge, "a\\b\nc").sample(&[("task", "a\"} 1\nx{y=\"\\")], 1);
        let text = page.into_text();
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("x{task=\"a\\\"} 1\\nx{y=\\\"\\\\\"} 1\n"), "{text}");
    }
}
