//! The SIP ladder of a call, drawn with characters: the caller to the left, we in the middle, whoever
//! was called to the right.

use serde_json::Value;

use super::table::{Look, Tone, length, printable, printable_lines, shorten, words};

/// Before the first lane: when.
const MARGIN: usize = 13;
/// Columns from lane to lane.
const GAP: (usize, usize) = (22, 46);
/// Where no terminal says how wide it is.
const USUAL_WIDTH: usize = 110;
/// An arrow's head and shaft on either side of its label.
const SHAFT: usize = 5;
const EDGE: &str = "trunkline";
const CALLER: &str = "caller";

/// What a ladder is drawn with.
struct Pens {
    lane: char,
    shaft: char,
    crossing: char,
    heads: [char; 2],
}

const LINES: Pens = Pens {
    lane: '│',
    shaft: '─',
    crossing: '┼',
    heads: ['◀', '▶'],
};
const ASCII: Pens = Pens {
    lane: '|',
    shaft: '-',
    crossing: '+',
    heads: ['<', '>'],
};

/// A vertical line: somebody who sends and receives.
struct Lane {
    name: String,
    address: String,
}

/// Draws `GET /calls/{call}/ladder`.
pub(super) fn draw(ladder: &Value, ascii: bool, look: Look) -> String {
    let messages = messages(ladder);
    if messages.is_empty() {
        return "no messages are kept of this call\n".to_owned();
    }
    let lanes = lanes(messages);
    let pens = if ascii { &ASCII } else { &LINES };
    let width = look.width.unwrap_or(USUAL_WIDTH);
    let gap = (width.saturating_sub(MARGIN + 8) / (lanes.len() - 1)).clamp(GAP.0, GAP.1);
    let columns: Vec<usize> = (0..lanes.len())
        .map(|lane| MARGIN + gap / 2 + lane * gap)
        .collect();
    let mut text = heading(&lanes, &columns, gap, |lane| &lane.name);
    text += &heading(&lanes, &columns, gap, |lane| &lane.address);
    for message in messages {
        let line = arrow(message, &lanes, &columns, pens);
        text += &tone(message).paint(line.trim_end(), look.colour);
        text.push('\n');
    }
    if ladder["truncated"] == true {
        text += "messages are missing: more were sent than are kept of a call\n";
    }
    text
}

/// The messages themselves, each under a line that says whose it is.
pub(super) fn texts(ladder: &Value, look: Look) -> String {
    let mut text = String::new();
    for message in messages(ladder) {
        let (from, to) = (words(&message["from"]), words(&message["to"]));
        let line = format!(
            "---- {} {} {} {from} -> {to}",
            moment(message),
            words(&message["leg"]),
            words(&message["transport"]),
        );
        text += &format!("\n{}\n", Tone::Faint.paint(&line, look.colour));
        text += &printable_lines(message["text"].as_str().unwrap_or_default());
    }
    text
}

fn messages(ladder: &Value) -> &[Value] {
    ladder["messages"].as_array().map_or(&[], Vec::as_slice)
}

/// The caller, we, then the others as they come.
fn lanes(messages: &[Value]) -> Vec<Lane> {
    let lane = |name: &str| Lane {
        name: name.to_owned(),
        address: String::new(),
    };
    let mut lanes = vec![lane(CALLER), lane(EDGE)];
    for message in messages {
        let name = leg(message);
        let (peer, us) = match is_in(message) {
            true => (&message["from"], &message["to"]),
            false => (&message["to"], &message["from"]),
        };
        let place = lanes.iter().position(|lane| lane.name == name);
        let place = place.unwrap_or_else(|| {
            lanes.push(lane(&name));
            lanes.len() - 1
        });
        if lanes[place].address.is_empty() {
            lanes[place].address = format!("{} {}", words(&message["transport"]), words(peer));
        }
        if lanes[1].address.is_empty() {
            lanes[1].address = words(us);
        }
    }
    lanes
}

fn leg(message: &Value) -> String {
    match message["leg"].as_str() {
        None | Some("" | EDGE) => "callee".to_owned(),
        Some(name) => printable(name),
    }
}

fn is_in(message: &Value) -> bool {
    message["direction"] == "in"
}

/// Requests as they are; what fails stands out.
fn tone(message: &Value) -> Tone {
    match message["status"].as_u64() {
        None => Tone::Plain,
        Some(0..200) => Tone::Faint,
        Some(200..300) => Tone::Good,
        Some(300..=399 | 401 | 407) => Tone::Warning,
        Some(_) => Tone::Bad,
    }
}

fn moment(message: &Value) -> String {
    match message["offset_ms"].as_f64() {
        Some(ms) if ms < 10_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
        None => "-".to_owned(),
    }
}

/// A text over each lane.
fn heading(lanes: &[Lane], columns: &[usize], gap: usize, of: fn(&Lane) -> &String) -> String {
    let mut line = String::new();
    for (lane, column) in lanes.iter().zip(columns) {
        let shown = shorten(of(lane), gap - 2);
        let start = column.saturating_sub(length(&shown) / 2);
        let room = start.saturating_sub(length(&line));
        line.extend(std::iter::repeat_n(' ', room));
        line.push_str(&shown);
    }
    line.trim_end().to_owned() + "\n"
}

/// One message: when, and an arrow with its first line.
fn arrow(message: &Value, lanes: &[Lane], columns: &[usize], pens: &Pens) -> String {
    let end = columns.last().copied().unwrap_or(MARGIN);
    let mut line: Vec<char> = format!("{:>width$}", moment(message), width = MARGIN - 2)
        .chars()
        .collect();
    line.resize(end + 1, ' ');
    for column in columns {
        line[*column] = pens.lane;
    }
    let peer = lanes.iter().position(|lane| lane.name == leg(message));
    let peer = columns[peer.unwrap_or(columns.len() - 1)];
    let (left, right) = (peer.min(columns[1]), peer.max(columns[1]));
    let to_right = (peer < columns[1]) == is_in(message);
    for (place, mark) in line.iter_mut().enumerate().take(right).skip(left + 1) {
        let is_lane = columns.contains(&place);
        *mark = if is_lane { pens.crossing } else { pens.shaft };
    }
    match to_right {
        true => line[right - 1] = pens.heads[1],
        false => line[left + 1] = pens.heads[0],
    }
    // Next to us, where another lane is crossed.
    let (from, to) = match right - left > columns[1] - columns[0] {
        true => (columns[1], columns[2]),
        false => (left, right),
    };
    let label = format!(" {} ", label(message, to - from - SHAFT));
    let start = from + (to - from - length(&label)) / 2 + usize::from((to - from) % 2 == 0);
    for (place, char) in (start..).zip(label.chars()) {
        line[place] = char;
    }
    line.into_iter().collect()
}

/// `INVITE sip:100@192.0.2.1 (SDP)`, as much of it as there is room for.
fn label(message: &Value, room: usize) -> String {
    let room = room.saturating_sub(2);
    let summary = words(&message["summary"]);
    let summary = summary.trim_end_matches(" SIP/2.0");
    let text = message["text"].as_str().unwrap_or_default();
    let sdp = text.contains("\nv=0") || text.contains("application/sdp");
    let with_sdp = format!("{summary} (SDP)");
    if sdp && length(&with_sdp) <= room {
        return with_sdp;
    }
    shorten(summary, room)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(offset: u64, leg: &str, direction: &str, summary: &str) -> Value {
        let peer = format!("192.0.2.{}:5060", leg.len());
        let (from, to) = match direction {
            "in" => (peer.as_str(), "198.51.100.1:5061"),
            _ => ("198.51.100.1:5061", peer.as_str()),
        };
        json!({"offset_ms": offset, "leg": leg, "direction": direction, "summary": summary,
               "transport": "udp", "from": from, "to": to, "method": "INVITE",
               "status": summary[..3].parse::<u16>().ok(),
               "text": format!("{summary}\r\nX: \x1b[2J\r\n\r\n")})
    }

    fn ladder() -> Value {
        json!({"truncated": false, "messages": [
            message(0, "caller", "in", "INVITE sip:100@192.0.2.1 SIP/2.0"),
            message(1, "caller", "out", "100 Trying"),
            message(4, "target 1", "out", "INVITE sip:100@a"),
            message(9, "target 1", "in", "503 Service Unavailable"),
            message(12, "target 2x", "out", "INVITE sip:100@b"),
            message(12_345, "target 2x", "in", "200 OK"),
        ]})
    }

    #[test]
    fn messages_are_arrows_between_whoever_sent_and_received_them() {
        let look = Look {
            width: Some(100),
            colour: false,
        };
        let text = draw(&ladder(), false, look);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8, "{text}");
        assert!(lines[0].contains("caller") && lines[0].contains("target 2x"));
        assert!(lines[1].contains("udp 192.0.2.6:5060"), "{text}");
        assert!(
            lines[2].contains("▶│") && lines[2].contains("INVITE sip:100@"),
            "{text}"
        );
        assert!(
            lines[3].contains("│◀") && lines[3].contains("100 Trying"),
            "{text}"
        );
        assert!(
            lines[5].contains("│◀") && lines[5].contains("503 Serv"),
            "{text}"
        );
        assert!(lines[6].contains('┼') && lines[6].contains("▶│"), "{text}");
        assert!(
            lines[7].contains("12.3 s") && lines[7].contains('┼'),
            "{text}"
        );
        // Every lane stands in one column.
        let places = |line: &str| -> Vec<usize> {
            let chars = line.chars().enumerate();
            chars
                .filter(|(_, char)| ['│', '┼'].contains(char))
                .map(|(place, _)| place)
                .collect()
        };
        assert!(
            lines[2..]
                .iter()
                .all(|line| places(line) == places(lines[2])),
            "{text}"
        );
    }

    #[test]
    fn a_ladder_can_be_drawn_without_line_characters() {
        let text = draw(&ladder(), true, Look::default());
        assert!(text.is_ascii() || text.contains('…'), "{text}");
        assert!(text.contains("->|") && text.contains("|<-"), "{text}");
    }

    #[test]
    fn texts_of_peers_do_not_reach_the_terminal_as_commands() {
        let text = texts(&ladder(), Look::default());
        assert!(text.contains("---- 0 ms caller udp 192.0.2.6:5060 -> 198.51.100.1:5061"));
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn odd_ladders_are_drawn_all_the_same() {
        for ladder in [json!(null), json!({"messages": []})] {
            assert!(draw(&ladder, false, Look::default()).contains("no messages"));
        }
        let bare = json!({"truncated": true, "messages": [{}, {"leg": "caller", "summary": "ü".repeat(500)}]});
        for width in [0, 1, 40, 1000] {
            let look = Look {
                width: Some(width),
                colour: true,
            };
            assert!(draw(&bare, false, look).contains("messages are missing"));
        }
    }
}
