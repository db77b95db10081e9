//! L13 once more, where a record comes of a request: the whole table of who may ask for what, in one place,
//! beside the commands that each refuse what their own file says. It decides nothing.

use ledger::law::Law;
use ledger::record::Tender;

use super::Decision;
use crate::codes::Refusal;
use crate::command::{Command, Request};
use crate::festival::{Device, Role};

/// A record comes only of what a device of the festival asked for, under an id of its own and with a role
/// for the command.
#[inline]
pub(super) fn judge(device: Option<&Device>, request: &Request, decided: &Result<Decision, Refusal>) {
    if matches!(decided, Ok(Decision::Record(_))) {
        Law::Isolation.holds(device.is_some_and(|device| within(device, request)));
    }
}

fn within(device: &Device, request: &Request) -> bool {
    let may = match roles_for(&request.command) {
        [] => true,
        roles => roles.iter().any(|role| device.roles.has(*role)),
    };
    may && request.id.device() == Some(device.number)
}

/// Each of these roles is enough; where there is none, none is needed.
const fn roles_for(command: &Command) -> &'static [Role] {
    match command {
        Command::Purchase { .. }
        | Command::Authorise { .. }
        | Command::Capture { .. }
        | Command::ReleaseHold { .. } => &[Role::Sell],
        Command::TopUp { tender: Tender::Cash, .. }
        | Command::Transfer { .. }
        | Command::SetAllowance { .. } => &[Role::TopUp],
        Command::TopUp { tender: Tender::Bonus, .. } => &[Role::Supervise],
        Command::Void { .. } => &[Role::Refund],
        Command::Open | Command::Pair { .. } => &[Role::Pair],
        Command::BlockTag | Command::UnblockTag => &[Role::Pair, Role::Supervise],
        Command::PayOut { .. } | Command::StageConfiguration { .. } | Command::AdoptConfiguration { .. } => {
            &[Role::Administer]
        }
        Command::Cancel | Command::Balance | Command::Lookup => &[],
    }
}
