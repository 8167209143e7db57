//! How good a call is, from sample to sample.

use serde_json::Value;

use super::table::{Look, Tone, words};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A MOS estimate of G.107 goes from 1 to 4.5.
const MOS: (f64, f64) = (1.0, 4.5);
/// Samples that fit beside the figures.
const USUAL_WIDTH: usize = 100;
const FIGURES: usize = 64;

/// Shows `GET /calls/{call}/quality`: a line for each direction.
pub(super) fn show(quality: &Value, look: Look) -> String {
    let directions = quality["directions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if directions.is_empty() {
        return "no quality is known of this call: it has had no media\n".to_owned();
    }
    let room = look
        .width
        .unwrap_or(USUAL_WIDTH)
        .saturating_sub(FIGURES)
        .max(10);
    let mut text = format!(
        "{:<9}{:>6}  {:>4} {:>7}  {:>6}  {:>9}  each {} s\n",
        "FROM",
        "STREAM",
        "MOS",
        "LOWEST",
        "LOSS",
        "JITTER",
        words(&quality["interval_s"])
    );
    for direction in directions {
        text += &line(direction, room, look);
    }
    text
}

fn line(direction: &Value, room: usize, look: Look) -> String {
    let samples = direction["samples"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let scores: Vec<Option<f64>> = samples
        .iter()
        .map(|sample| sample["mos"].as_f64())
        .collect();
    let known = || scores.iter().flatten().copied();
    let lowest = known().reduce(f64::min);
    let latest = known().next_back();
    let loss = mean(samples, "loss_percent").map_or("-".to_owned(), |loss| format!("{loss:.1} %"));
    let jitter = mean(samples, "jitter_ms").map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    let score = |score: Option<f64>| score.map_or("-".to_owned(), |score| format!("{score:.2}"));
    format!(
        "{:<9}{:>6}  {:>4} {}  {loss:>6}  {jitter:>9}  {}\n",
        words(&direction["from"]),
        words(&direction["stream"]),
        score(latest),
        tone(lowest).paint(&format!("{:>7}", score(lowest)), look.colour),
        bars(&scores[scores.len().saturating_sub(room)..]),
    )
}

fn mean(samples: &[Value], name: &str) -> Option<f64> {
    let values: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample[name].as_f64())
        .collect();
    let count = u32::try_from(values.len())
        .ok()
        .filter(|count| *count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count))
}

/// ITU-T G.107 annex B: below 4.03 some users are dissatisfied, below 3.6 many.
pub(super) fn tone(mos: Option<f64>) -> Tone {
    match mos {
        None => Tone::Plain,
        Some(mos) if mos >= 4.03 => Tone::Good,
        Some(mos) if mos >= 3.6 => Tone::Warning,
        Some(_) => Tone::Bad,
    }
}

fn bars(scores: &[Option<f64>]) -> String {
    let bar = |score: &Option<f64>| {
        let Some(score) = score else {
            return ' ';
        };
        let share = (score - MOS.0) / (MOS.1 - MOS.0);
        let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
        BARS[steps.iter().filter(|step| share > **step).count()]
    };
    scores.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_direction_has_a_line_with_its_worst_moment_and_its_course() {
        let sample = |mos: Option<f64>| json!({"mos": mos, "loss_percent": 1.0, "jitter_ms": 2.5, "packets": 250});
        let quality = json!({"interval_s": 5, "directions": [
            {"from": "caller", "stream": 0, "samples": [sample(Some(4.41)), sample(Some(1.0)), sample(None), sample(Some(4.2))]},
            {"from": "callee", "stream": 0, "samples": []},
        ]});
        let text = show(&quality, Look::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].ends_with("each 5 s"));
        let words: Vec<&str> = lines[1].split_ascii_whitespace().collect();
        assert_eq!(
            words[..8],
            ["caller", "0", "4.20", "1.00", "1.0", "%", "2.5", "ms"]
        );
        assert!(lines[1].ends_with("█▁ █"), "{text}");
        assert!(lines[2].contains('-'));
        assert!(show(&json!({}), Look::default()).contains("no media"));
    }
}
