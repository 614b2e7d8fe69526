//! The sections of a header: parts of it that a version may add to.
//!
//! ```text
//!  0  4  kind: 1 state, 2 membership, 3 this copy's own
//!  4  4  bytes of the message
//!  8  .  the message ([schema](super::schema)), then zeros to a multiple of 8
//! ```
//!
//! The state and the membership are the same in all copies of a log; what is this copy's own decides nothing that is.
//! Sections of other kinds are passed over.

use bytes::{Buf as _, BufMut as _};
use group_core::State;
use litemap::LiteMap;
use prost::Message;
use uuid::Uuid;

use super::features::Features;
use super::{Invalid, Unreadable, schema, shards};
use crate::state::{AcceptedLosses, SegmentRange};

const STATE: u32 = 1;
const MEMBERSHIP: u32 = 2;
const COPY: u32 = 3;
const HEAD_BYTES: usize = 8;

/// A copy of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number in the group, from 1.
    pub node_id: u64,
    /// Its random id.
    pub incarnation: Uuid,
}

/// Who the copies of a log are, as Raft has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Who decides.
    pub voters: Vec<Member>,
    /// Who gets all and decides nothing.
    pub learners: Vec<Member>,
    /// Who decides as well until the change under way is done.
    pub outgoing_voters: Vec<Member>,
    /// Who becomes a learner when it is.
    pub next_learners: Vec<Member>,
    /// Whether the leader ends the change by itself.
    pub auto_leave: bool,
}

impl Membership {
    /// Of a log with one copy.
    #[must_use]
    pub fn of_one(member: Member) -> Self {
        Self { voters: vec![member], ..Self::default() }
    }
}

/// What the sections hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sections {
    /// What the entries before the segment amount to.
    pub state: State,
    /// Who the copies are.
    pub membership: Membership,
    /// What this copy has accepted.
    pub accepted_losses: AcceptedLosses,
}

impl Sections {
    /// Their bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        put_section(&mut buffer, STATE, &state_message(&self.state).encode_to_vec());
        put_section(&mut buffer, MEMBERSHIP, &membership_message(&self.membership).encode_to_vec());
        put_section(&mut buffer, COPY, &copy_message(&self.accepted_losses).encode_to_vec());
        #[cfg(feature = "version-skew")]
        if let Some((kind, message)) = super::skew::section() {
            put_section(&mut buffer, kind, message);
        }
        buffer
    }

    /// Reads sections of which a version wrote this, behind the batch with this index and term.
    ///
    /// # Errors
    /// If they are no sections, or one has a value that only a newer version knows.
    pub fn decode(mut rest: &[u8], features: &Features, index: u64, term: u64) -> Result<Self, Unreadable> {
        let (mut state, mut membership, mut copy) = (None, None, schema::Copy::default());
        while !rest.is_empty() {
            let (kind, message) = take_section(&mut rest)?;
            match kind {
                STATE => state = Some(message_of::<schema::State>(message)?),
                MEMBERSHIP => membership = Some(message_of::<schema::Membership>(message)?),
                COPY => copy = message_of(message)?,
                _ => {}
            }
        }
        let state = state.ok_or(Invalid("a header has no state"))?;
        let membership = membership.ok_or(Invalid("a header has no membership"))?;
        Ok(Self {
            state: state_of(state, features, index, term)?,
            membership: membership_of(&membership)?,
            accepted_losses: accepted_of(&copy)?,
        })
    }
}

/// Adds a section.
pub fn put_section(buffer: &mut Vec<u8>, kind: u32, message: &[u8]) {
    buffer.put_u32_le(kind);
    buffer.put_u32_le(message.len() as u32);
    buffer.put_slice(message);
    buffer.resize(buffer.len().next_multiple_of(8), 0);
}

fn take_section<'b>(rest: &mut &'b [u8]) -> Result<(u32, &'b [u8]), Invalid> {
    let broken = Invalid("a section of a header breaks off");
    if rest.len() < HEAD_BYTES {
        return Err(broken);
    }
    let (kind, bytes) = (rest.get_u32_le(), rest.get_u32_le() as usize);
    let message = rest.get(..bytes).ok_or(broken)?;
    *rest = rest.get(bytes.next_multiple_of(8)..).ok_or(broken)?;
    Ok((kind, message))
}

fn message_of<M: Message + Default>(bytes: &[u8]) -> Result<M, Invalid> {
    M::decode(bytes).map_err(|_| Invalid("a section of a header is no message"))
}

pub(super) fn needed<T>(field: Option<T>) -> Result<T, Invalid> {
    field.ok_or(Invalid("a field of a header's section is missing"))
}

fn state_message(state: &State) -> schema::State {
    schema::State {
        shards: state.shards.values().map(shards::shard_message).collect(),
        retention_hours: state.retention_hours,
        trim_horizon_ms: Some(state.trim_horizon_ms),
        time_ms: Some(state.time_ms),
        protected_until_ms: Some(state.protected_until_ms),
        last_op: (state.last_op > 0).then_some(state.last_op),
    }
}

fn state_of(message: schema::State, features: &Features, index: u64, term: u64) -> Result<State, Unreadable> {
    // As large as it must be: a process with a thousand idle logs keeps it of each.
    let mut known = LiteMap::with_capacity(message.shards.len());
    for shard in message.shards {
        let shard = shards::shard_of(shard, features)?;
        known.insert(shard.open.id, shard);
    }
    Ok(State {
        index,
        term,
        time_ms: needed(message.time_ms)?,
        retention_hours: message.retention_hours,
        trim_horizon_ms: message.trim_horizon_ms.unwrap_or(0),
        protected_until_ms: message.protected_until_ms.unwrap_or(0),
        last_op: message.last_op.unwrap_or(0),
        shards: known,
    })
}

fn membership_message(membership: &Membership) -> schema::Membership {
    let member = |member: &Member| schema::Member {
        node_id: Some(member.node_id),
        incarnation: Some(member.incarnation.as_bytes().to_vec()),
    };
    let members = |members: &[Member]| members.iter().map(member).collect();
    schema::Membership {
        voters: members(&membership.voters),
        learners: members(&membership.learners),
        outgoing_voters: members(&membership.outgoing_voters),
        next_learners: members(&membership.next_learners),
        auto_leave: Some(membership.auto_leave),
    }
}

fn membership_of(message: &schema::Membership) -> Result<Membership, Invalid> {
    let member = |member: &schema::Member| {
        let incarnation = Uuid::from_slice(needed(member.incarnation.as_deref())?)
            .map_err(|_| Invalid("an incarnation of a header is none"))?;
        Ok(Member { node_id: needed(member.node_id)?, incarnation })
    };
    let members = |members: &[schema::Member]| members.iter().map(member).collect::<Result<_, Invalid>>();
    Ok(Membership {
        voters: members(&message.voters)?,
        learners: members(&message.learners)?,
        outgoing_voters: members(&message.outgoing_voters)?,
        next_learners: members(&message.next_learners)?,
        auto_leave: message.auto_leave.unwrap_or(false),
    })
}

fn copy_message(accepted_losses: &AcceptedLosses) -> schema::Copy {
    let range = |range: &SegmentRange| schema::Range {
        segment: Some(range.segment),
        start: Some(range.start),
        end: Some(range.end),
    };
    schema::Copy { accepted_losses: accepted_losses.as_slice().iter().map(range).collect() }
}

fn accepted_of(message: &schema::Copy) -> Result<AcceptedLosses, Invalid> {
    let mut accepted_losses = AcceptedLosses::default();
    for range in &message.accepted_losses {
        let (segment, start, end) = (needed(range.segment)?, needed(range.start)?, needed(range.end)?);
        accepted_losses.add(SegmentRange { segment, start, end });
    }
    Ok(accepted_losses)
}
