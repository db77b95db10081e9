//! The first blocks of a ledger: what the ledger is, and the festival's first configuration,
//! written into every shard's log. Used by `fanfare init`, by tests and by the simulator.

use actors::festival::{Festival, MAX_PART};
use actors::shard_state::ShardState;
use ledger::block::{Draft, Head};
use ledger::ids::{At, Epoch, ShardId, Version};
use ledger::journal::{Event, Journal, SubmitError};
use ledger::record::{Body, Envelope, Genesis, Record};
use thiserror::Error;

/// Why a ledger could not be founded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoundingError {
    /// The journal's disk has no room for the first blocks.
    #[error("no room for the first blocks")]
    Full,
    /// The journal died, or never confirmed a block.
    #[error("the journal failed: {0}")]
    Journal(String),
    /// The configuration has more parts than can be numbered.
    #[error("the configuration is too large")]
    TooLarge,
}

/// Writes the first blocks of every shard and waits until they are confirmed. `drive` lets the
/// journal's own work go on (a worker's steps, or waiting for its thread).
pub fn found<J: Journal>(
    journal: &mut J,
    genesis: &Genesis,
    festival: &Festival,
    at: At,
    mut drive: impl FnMut(),
) -> Result<(), FoundingError> {
    let facts = first_facts(genesis, festival)?;
    for shard in 0..genesis.shards {
        let mut state = ShardState::new(ShardId(shard));
        let mut head = Head::default();
        let mut draft = Box::new(Draft::new(genesis.ledger, ShardId(shard), Epoch(0)));
        for fact in &facts {
            if draft.count() > 0 && !draft.has_room() {
                (head, draft) = write(journal, draft, head, &mut drive)?;
                draft.clear();
            }
            if draft.count() == 0 {
                draft.begin(state.prologue(at));
            }
            let record = record_of(&state, at, fact.clone());
            draft.push(&record);
            state.apply(state.next_record(), &record);
        }
        write(journal, draft, head, &mut drive)?;
    }
    Ok(())
}

/// What every shard is told first: the ledger, then the configuration in parts, then its adoption.
fn first_facts(genesis: &Genesis, festival: &Festival) -> Result<Vec<Body>, FoundingError> {
    let bytes = festival.encode();
    let version = festival.version;
    let mut facts = vec![Body::LedgerOpened(*genesis)];
    facts.extend(staged(version, &bytes)?);
    let parts = u16::try_from(facts.len() - 1).map_err(|_| FoundingError::TooLarge)?;
    facts.push(Body::ConfigurationAdopted { version, parts, hash: *blake3::hash(&bytes).as_bytes() });
    Ok(facts)
}

fn staged(version: Version, bytes: &[u8]) -> Result<Vec<Body>, FoundingError> {
    let part = |(part, bytes): (usize, &[u8])| {
        let part = u16::try_from(part).map_err(|_| FoundingError::TooLarge)?;
        Ok(Body::ConfigurationStaged { version, part, bytes: bytes.to_vec() })
    };
    bytes.chunks(MAX_PART).enumerate().map(part).collect()
}

fn record_of(state: &ShardState, at: At, body: Body) -> Record {
    let version = state.adopted().map(|adopted| adopted.version);
    let envelope =
        Envelope { configuration: version, catalogue: version, policy: version, ..Envelope::default() };
    Record::fact(at, envelope, body)
}

/// Submits one block and waits for its event.
fn write<J: Journal>(
    journal: &mut J,
    mut draft: Box<Draft>,
    head: Head,
    drive: &mut impl FnMut(),
) -> Result<(Head, Box<Draft>), FoundingError> {
    draft.place(head);
    journal.submit(draft).map_err(|error| match error {
        SubmitError::Full(_) => FoundingError::Full,
        SubmitError::Dead(_) => FoundingError::Journal("it is dead".into()),
    })?;
    let mut events = Vec::new();
    loop {
        journal.commit(true);
        drive();
        journal.events(&mut events);
        for event in events.drain(..) {
            match event {
                Event::Confirmed { head, draft } => return Ok((head, draft)),
                Event::Dead { cause } => return Err(FoundingError::Journal(cause)),
                Event::Fenced { .. } => return Err(FoundingError::Journal("another owner wrote".into())),
                Event::Fetched { .. } => {}
            }
        }
    }
}
