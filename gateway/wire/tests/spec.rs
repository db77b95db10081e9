//! Owns: the law that the tables of SPEC.md say what the code does. A terminal maker has nothing but the document:
//! a row that drifted would be a terminal that shows the wrong thing to a barman.
//! Must never: hold a second copy of a table.
//! Laws: L12 (limits as told), L13 (roles as told).

#![allow(clippy::unwrap_used)]

mod document;

use document::{Row, SPEC, layouts, table};
use wire::codes::{self, CodeInfo};
use wire::{Class, Command, Decline, FrameKind, Read, Refusal, Roles, Tender, limits};

fn row(info: &CodeInfo) -> Vec<String> {
    let words = [info.name, info.kind.name(), info.meaning, info.terminal, info.again.name()];
    std::iter::once(info.number.to_string()).chain(words.map(str::to_owned)).collect()
}

fn check_codes<'a>(heading: &str, codes: impl Iterator<Item = &'a CodeInfo>) {
    let document = table(heading);
    let code: Vec<_> = codes.map(row).collect();
    assert_eq!(document.len(), code.len(), "{heading}");
    for (document, code) in document.iter().zip(code) {
        assert_eq!(document, &code, "{heading}");
    }
}

#[test]
fn the_tables_of_codes_are_those_of_the_crate() {
    check_codes("### Declines (class 1)", Decline::ALL.iter().map(|code| code.info()));
    check_codes("### Refusals (class 2)", Refusal::ALL.iter().map(|code| code.info()));
    check_codes("### Reads (class 4)", Read::ALL.iter().map(|code| code.info()));
}

#[test]
fn every_code_named_in_the_text_has_its_number_there() {
    // `code 4 `cancelled``: the pairs that the prose repeats.
    for part in SPEC.split("code ").skip(1) {
        let mut words = part.split([' ', ')', ',', ';']);
        let Some(Ok(number)) = words.next().map(str::parse::<u16>) else { continue };
        let Some(name) = words.next().and_then(|word| word.strip_prefix('`')) else { continue };
        let name = name.split('`').next().unwrap();
        assert_eq!(codes::name(number), name, "code {number}");
    }
}

#[test]
fn frames_commands_classes_and_roles_are_those_of_the_crate() {
    let first =
        |rows: &[Row]| rows.iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect::<Vec<_>>();
    let frames = table("<!-- frames -->");
    let sender = |kind: FrameKind| if kind.from_terminal() { "terminal" } else { "server" };
    assert!(frames.iter().zip(FrameKind::ALL).all(|(row, kind)| row[2] == sender(kind)));
    let pair = |number: u32, name: &str| (number.to_string(), name.to_owned());
    assert_eq!(first(&frames), FrameKind::ALL.map(|kind| pair(kind.number().into(), kind.name())));
    let commands = Command::ALL.map(|command| pair(command.number().into(), command.name()));
    assert_eq!(first(&table("<!-- commands -->")), commands);
    let classes = Class::ALL.map(|class| pair(class.number().into(), class.name()));
    assert_eq!(first(&table("<!-- classes -->")), classes);
    let roles = Roles::NAMES.map(|(role, name)| pair(role.0.trailing_zeros(), name));
    assert_eq!(first(&table("<!-- roles -->")), roles);
    for (tender, words) in [(Tender::Cash, "1 cash"), (Tender::Bonus, "2 bonus")] {
        assert!(words.starts_with(&tender.number().to_string()) && SPEC.contains(words));
    }
}

#[test]
fn layouts_have_no_gaps_and_the_sizes_of_the_crate() {
    let sizes = [
        ("header", limits::HEADER),
        ("hello", limits::HELLO),
        ("welcome", limits::WELCOME),
        ("request", limits::REQUEST_HEAD),
        ("line", limits::LINE),
        ("name", limits::NAME),
        ("pair", limits::PAIR),
        ("allowance", limits::ALLOWANCE),
        ("office", limits::OFFICE),
        ("stage", limits::STAGE_HEAD),
        ("adopt", limits::ADOPT),
        ("answer", limits::ANSWER),
        ("movement", limits::MOVEMENT),
        ("notice", limits::NOTICE),
        ("fetch", limits::FETCH),
        ("configuration", limits::CONFIGURATION_HEAD),
        ("own", limits::OWN_HEAD),
        ("item", limits::ITEM_HEAD),
        ("fault", limits::FAULT_HEAD),
    ];
    assert_eq!(layouts().iter().map(|(name, size, _)| (*name, *size)).collect::<Vec<_>>(), sizes);
    for (name, size, rows) in layouts() {
        let mut at = 0;
        for row in rows {
            assert_eq!(row[0], at.to_string(), "{name}: {}", row[3]);
            let bytes: usize = row[1].parse().unwrap();
            let width = match row[2] {
                "u8" => 1,
                "u16" => 2,
                "u32" => 4,
                "u64" | "i64" => 8,
                _ => bytes,
            };
            assert_eq!(bytes, width, "{name}: {}", row[3]);
            at += bytes;
        }
        assert_eq!(at, size, "{name}");
    }
}

#[test]
fn the_table_of_limits_holds_the_limits_of_the_crate() {
    let expected: [(&str, usize); 15] = [
        ("body of a requests or answers frame, bytes", limits::MAX_FRAME_BODY as usize),
        ("body of a configuration frame, bytes", limits::MAX_CONFIGURATION_BODY as usize),
        ("body of any other frame, bytes", limits::MAX_SMALL_BODY as usize),
        ("requests in a frame", limits::MAX_REQUESTS_IN_FRAME.into()),
        ("requests in flight on a connection", limits::MAX_IN_FLIGHT as usize),
        ("smallest request, bytes", limits::REQUEST_HEAD),
        ("largest request, bytes", limits::MAX_REQUEST),
        ("lines in a request", limits::MAX_LINES),
        ("movements in a statement", limits::MAX_MOVEMENTS.into()),
        ("text of a fault, bytes", limits::MAX_FAULT_TEXT),
        ("seconds to the hello", limits::HANDSHAKE_SECONDS.into()),
        ("seconds to a whole frame", limits::WHOLE_FRAME_SECONDS.into()),
        ("seconds of silence", limits::IDLE_SECONDS.into()),
        ("declines of a device in a minute", limits::MAX_DECLINES_PER_MINUTE as usize),
        ("cancels of a device in a minute", limits::MAX_CANCELS_PER_MINUTE as usize),
    ];
    let rows = table("<!-- limits -->");
    let found: Vec<_> = rows.iter().map(|row| (row[0], row[1].parse().unwrap())).collect();
    assert_eq!(found, expected);
    // The numbers that the prose of section 9 repeats.
    for words in [
        format!("sent nothing for {} seconds sends a ping", limits::PING_SECONDS),
        format!("lost connection wait {} ms", limits::RESEND_FIRST_MS),
        format!("each time up to {} s", limits::RESEND_LONGEST_MS / 1000),
        format!(
            "Three clocks guard a connection, and each ends it with fault `late`: {} seconds",
            limits::HANDSHAKE_SECONDS
        ),
    ] {
        assert!(SPEC.replace('\n', " ").contains(&words), "{words}");
    }
}

/// Every state of the terminal has a cell for every event: a hole is a barman without an answer.
#[test]
fn the_state_machine_has_no_holes() {
    let rows = table("## 13. The terminal's state machine");
    assert!(rows.len() >= 15);
    for row in rows {
        assert_eq!(row.len(), 7, "{}", row[0]);
        assert!(row.iter().all(|cell| !cell.is_empty()), "{}", row[0]);
    }
}
