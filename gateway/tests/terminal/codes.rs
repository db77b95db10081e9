//! The tables of the engine and of the wire are one: numbers, names, roles.

use actors::codes::{Decline, Refusal};
use actors::festival::Role;

#[test]
fn every_code_has_the_same_number_and_name_on_both_sides() {
    let ours = Decline::ALL.iter().map(|code| (u16::from(code.number()), code.name()));
    let theirs = wire::Decline::ALL.iter().map(|code| (code.number(), code.name()));
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
    let ours = Refusal::ALL.iter().map(|code| (u16::from(code.number()), code.name()));
    let theirs = wire::Refusal::ALL.iter().map(|code| (code.number(), code.name()));
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
}

#[test]
fn roles_are_the_same_bits_under_the_same_names() {
    let ours: Vec<_> = Role::ALL.iter().map(|(role, name)| (*role as u16, *name)).collect();
    let theirs: Vec<_> = wire::Roles::NAMES.iter().map(|(role, name)| (role.0, *name)).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn commands_have_the_same_numbers() {
    use actors::command::Command;
    use wire::Command as Wire;
    let id = ledger::ids::RequestId::new(1 << 40 | 1).unwrap();
    let version = ledger::ids::Version::new(1).unwrap();
    let table = [
        (Command::Open, Wire::OpenWallet),
        (Command::TopUp { tender: ledger::record::Tender::Cash, amount: 1 }, Wire::TopUp),
        (
            Command::Purchase { lines: actors::command::AskedLines::default(), amount: 1, confirmed: false },
            Wire::Purchase,
        ),
        (Command::Void { sale: id }, Wire::Void),
        (Command::Balance, Wire::Balance),
        (Command::Cancel, Wire::Cancel),
        (Command::Lookup, Wire::Lookup),
        (Command::Transfer { payee: ledger::ids::WalletNumber::new(1).unwrap(), amount: 1 }, Wire::Transfer),
        (Command::Pair { wallet: ledger::ids::WalletNumber::new(1).unwrap(), replaces: None }, Wire::Pair),
        (Command::BlockTag, Wire::BlockTag),
        (Command::UnblockTag, Wire::UnblockTag),
        (Command::Authorise { amount: 1, seconds: 1 }, Wire::Authorise),
        (
            Command::Capture { hold: id, lines: actors::command::AskedLines::default(), amount: 1 },
            Wire::Capture,
        ),
        (Command::ReleaseHold { hold: id }, Wire::ReleaseHold),
        (
            Command::SetAllowance { child: ledger::ids::WalletNumber::new(1).unwrap(), target: 1, mark: 1 },
            Wire::SetAllowance,
        ),
        (Command::PayOut { amount: 1 }, Wire::PayOut),
        (Command::StageConfiguration { version, part: 0, bytes: Box::default() }, Wire::StageConfiguration),
        (Command::AdoptConfiguration { version, parts: 1, hash: [0; 32] }, Wire::AdoptConfiguration),
    ];
    assert_eq!(table.len(), Wire::ALL.len());
    assert!(table.iter().all(|(ours, theirs)| ours.number() == theirs.number()));
}
