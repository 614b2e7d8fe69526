//! Which appends were seen before: what a network repeats is stored once.

use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use crate::call::{Answer, Token};

/// So many senders are remembered, those that sent last; more are forgotten.
const MAX_SESSIONS: usize = 1_024;
/// So many appends of a sender are remembered, the newest.
const MAX_SEQUENCES: usize = 128;
/// Fewer are if they have more runs than this together, so that answers take at most 100 KB or so a sender ...
const MAX_OUTCOMES: usize = 4_096;
/// ... but no fewer than this.
const MIN_SEQUENCES: usize = 8;

/// What is remembered of appends, by session and sequence. Not replicated, and forgotten with the process: who sends does
/// not send an append again whose outcome it does not know.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: HashMap<u64, Session>,
    /// Counts what was seen, to know who sent last.
    seen: u64,
}

#[derive(Debug, Default)]
struct Session {
    last_seen: u64,
    /// Sequences below this are not remembered any more.
    floor: u64,
    appends: BTreeMap<u64, Remembered>,
    /// How many of the appends are not answered yet.
    pending: usize,
    /// How many runs the answers of the others have.
    outcomes: usize,
}

#[derive(Debug)]
enum Remembered {
    /// It is not answered yet; these wait for its answer besides the first.
    Pending(SmallVec<[Token; 1]>),
    Answered(Answer),
}

/// The answer to an append that is remembered no more.
fn forgotten() -> Answer {
    Answer::Unknown("it comes so late that what became of it is not remembered any more".into())
}

/// What is known of an append that comes.
pub(super) enum Seen {
    /// It is new.
    New,
    /// It is under way, and this one is answered with it.
    Pending,
    /// It was answered.
    Answered(Answer),
}

impl Sessions {
    /// An append comes.
    pub fn see(&mut self, (session, sequence): (u64, u64), token: Token) -> Seen {
        self.seen += 1;
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(&session) {
            self.forget_oldest();
        }
        let session = self.sessions.entry(session).or_default();
        session.last_seen = self.seen;
        match session.appends.get_mut(&sequence) {
            Some(Remembered::Pending(tokens)) => {
                tokens.push(token);
                return Seen::Pending;
            }
            Some(Remembered::Answered(answer)) => return Seen::Answered(answer.clone()),
            None if sequence < session.floor => return Seen::Answered(forgotten()),
            None => {}
        }
        session.appends.insert(sequence, Remembered::Pending(SmallVec::new()));
        session.pending += 1;
        session.forget();
        Seen::New
    }

    /// An append is answered; gives who else waits for that. Also one that was not done is: its repetition may still
    /// be on its way when it was sent again, and would be stored besides that.
    pub fn answered(&mut self, (session, sequence): (u64, u64), answer: &Answer) -> SmallVec<[Token; 1]> {
        let Some(session) = self.sessions.get_mut(&session) else { return SmallVec::new() };
        let Some(known) = session.appends.get_mut(&sequence) else { return SmallVec::new() };
        let Remembered::Pending(tokens) = known else { return SmallVec::new() };
        let tokens = std::mem::take(tokens);
        *known = Remembered::Answered(answer.clone());
        session.pending -= 1;
        session.outcomes += outcomes(answer);
        session.forget();
        tokens
    }

    /// Forgets who sent the longest ago and waits for nothing.
    fn forget_oldest(&mut self) {
        let idle = self.sessions.iter().filter(|(_, session)| session.pending == 0);
        if let Some(oldest) = idle.min_by_key(|(_, session)| session.last_seen).map(|(id, _)| *id) {
            self.sessions.remove(&oldest);
        }
    }
}

impl Session {
    /// Forgets the oldest appends that are too many. One that is not answered yet is remembered until it is.
    fn forget(&mut self) {
        while self.appends.len() > MAX_SEQUENCES
            || (self.outcomes > MAX_OUTCOMES && self.appends.len() > MIN_SEQUENCES)
        {
            let Some(oldest) = self.appends.first_entry() else { break };
            let Remembered::Answered(answer) = oldest.get() else { break };
            self.outcomes -= outcomes(answer);
            self.floor = oldest.key().saturating_add(1);
            oldest.remove();
        }
    }
}

/// How many runs an answer is about.
fn outcomes(answer: &Answer) -> usize {
    match answer {
        Answer::Append(outcomes) => outcomes.len(),
        Answer::Done | Answer::Reshard(_) | Answer::NotDone(_) | Answer::Unknown(_) => 0,
    }
}
